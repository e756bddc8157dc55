from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from catenary.v1 import inference_pb2, tensor_pb2
from catenary.v1.inference_requests_pb2 import (
    InferenceChunkedRequest,
    InferenceChunkedRequestHeader,
    InferenceChunkedResponse,
    InferenceChunkedResponseHeader,
)
from catenary_client import UnsupportedError, inference
from catenary_client.inference_chunks import CHUNK_BYTES, OutputAssembly, requests

if TYPE_CHECKING:
    from scripted_server import ScriptedServer

    from catenary_client import Client

CUBE = np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3)


def header(*tensors: inference_pb2.TensorHeader) -> bytes:
    message = InferenceChunkedResponse(header=InferenceChunkedResponseHeader(tensors=tensors, metrics={"n.m": 0.5}))
    return message.SerializeToString()


def chunk(tensor: int, offset: int, data: bytes) -> bytes:
    piece = inference_pb2.TensorChunk(tensor_index=tensor, byte_offset=offset, data=data)
    return InferenceChunkedResponse(chunk=piece).SerializeToString()


def announced(name: str, array: np.ndarray) -> inference_pb2.TensorHeader:
    return inference_pb2.TensorHeader(
        name=name, dtype=tensor_pb2.D_TYPE_FLOAT32, shape=array.shape, size_bytes=array.nbytes
    )


async def test_a_request_is_cut_without_gaps_and_announced_whole() -> None:
    arrays = {"cube": np.arange(CHUNK_BYTES // 4 + 5, dtype=np.float32), "empty": np.ones((1, 1), np.float32)}
    sent = [
        InferenceChunkedRequest.FromString(raw)
        async for raw in requests(InferenceChunkedRequestHeader(session_id="s"), arrays)
    ]
    assert [(each.name, each.size_bytes) for each in sent[0].header.tensors] == [
        ("cube", CHUNK_BYTES + 20),
        ("empty", 4),
    ]
    assert [(each.chunk.tensor_index, each.chunk.byte_offset, len(each.chunk.data)) for each in sent[1:]] == [
        (0, 0, CHUNK_BYTES),
        (0, CHUNK_BYTES, 20),
        (1, 0, 4),
    ]
    assert b"".join(each.chunk.data for each in sent[1:3]) == arrays["cube"].tobytes()


def test_an_answer_is_put_together() -> None:
    answer = OutputAssembly()
    data = CUBE.tobytes()
    for raw in (header(announced("n.p", CUBE)), chunk(0, 0, data[:20]), chunk(0, 20, data[20:])):
        answer.take(raw)
    outputs = answer.outputs()
    np.testing.assert_array_equal(outputs["n.p"], CUBE)
    assert outputs.metrics == {"n.m": 0.5}
    with pytest.raises(ValueError, match="read-only"):
        outputs["n.p"][0] = 1


@pytest.mark.parametrize(
    "messages",
    [
        [chunk(0, 0, b"1234")],
        [header(announced("n.p", CUBE)), chunk(0, 4, b"1234")],
        [header(announced("n.p", CUBE)), chunk(1, 0, b"1234")],
        [header(announced("n.p", CUBE)), chunk(0, 0, bytes(52))],
        [header(announced("n.p", CUBE)), header(announced("n.p", CUBE))],
    ],
)
def test_an_answer_out_of_turn_is_not_taken_for_an_output(messages: list[bytes]) -> None:
    answer = OutputAssembly()
    *first, last = messages
    for raw in first:
        answer.take(raw)
    with pytest.raises(ValueError, match="out of turn"):
        answer.take(last)


@pytest.mark.parametrize("messages", [[], [header(announced("n.p", CUBE)), chunk(0, 0, bytes(4))]])
def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(messages: list[bytes]) -> None:
    answer = OutputAssembly()
    for raw in messages:
        answer.take(raw)
    with pytest.raises(ValueError, match="before all outputs"):
        answer.outputs()


def test_a_server_that_takes_no_pieces_gets_one_message(
    server: ScriptedServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "CHUNKED_FROM_BYTES", 1)
    with client.session() as session:
        np.testing.assert_array_equal(session.infer(cube=CUBE)["node.cube"], CUBE)
        with pytest.raises(UnsupportedError):
            session.infer_chunked(cube=CUBE)
    assert server.names().count("Inference") == 1
