"""StreamInference and InferenceChunked over the wire, on a runtime that does what the test says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest
from application import Application, content
from wire_client import WireClient, method

from catenary.v1 import inference_pb2
from catenary_server.application.in_order import MOST_ITEMS
from catenary_server.application.inference import StreamAnswer
from catenary_server.domain.assembly import MAX_PIECE_BYTES, MIN_PIECE_BYTES
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.runtime import Inference
from catenary_server.domain.tensor import Tensor
from catenary_server.transport.codec.inference_stream import InferenceStreamCodec
from catenary_server.transport.interceptors.rules import FieldRules
from catenary_server.transport.settings import MessageSizes, TransportSettings
from catenary_wire import to_numpy, to_proto
from catenary_wire.errors import failure_of
from catenary_wire.reasons import reason_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary_wire.errors import Failure as Told

CUBE = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
EOF: Any = grpc.aio.EOF  # type: ignore[attr-defined] # the stubs leave it out


class Conversation:
    """A two-way stream, message by message."""

    def __init__(self, client: WireClient, name: str) -> None:
        self.rpc = method(name)
        kind: Any = client.channel.stream_stream
        self.call = kind(self.rpc.path, self.rpc.request.SerializeToString, self.rpc.response.FromString)(timeout=20.0)

    async def send(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            await self.call.write(self.rpc.request(**message))

    async def end(self) -> list[Any]:
        """Half-close, and everything that was not read."""
        await self.call.done_writing()
        answers = []
        while (answer := await self.call.read()) is not EOF:
            answers.append(answer)
        return answers

    async def failure(self) -> Told:
        """Why the stream ends."""
        try:
            while await self.call.read() is not EOF:
                pass
        except grpc.aio.AioRpcError as error:
            return failure_of(error)
        raise AssertionError("the stream ended well")


@pytest.fixture
async def loaded(client: WireClient, session_id: str) -> str:
    await client.call("LoadPipeline", session_id=session_id, pipeline={"config_bytes": content()})
    return session_id


@pytest.fixture
def streaming(client: WireClient) -> Conversation:
    return Conversation(client, "StreamInference")


@pytest.fixture
def chunked(client: WireClient) -> Conversation:
    return Conversation(client, "InferenceChunked")


def item(session_id: str, name: str, cube: np.ndarray[Any, Any] = CUBE, **fields: Any) -> dict[str, Any]:
    request = {"session_id": session_id, "inputs": {"cube": to_proto(cube)}} | fields
    return {"correlation_id": name, "inference": request}


def outcomes(answers: Sequence[Any]) -> list[tuple[str, str]]:
    return [
        (each.correlation_id, reason_name(each.failure.reason) if each.HasField("failure") else "result")
        for each in answers
    ]


def header(session_id: str, *cubes: np.ndarray[Any, Any], **fields: Any) -> dict[str, Any]:
    tensors = [
        {"name": name, "dtype": 1, "shape": cube.shape, "size_bytes": cube.nbytes}
        for name, cube in zip(("cube", "bboxes"), cubes, strict=False)
    ]
    return {"header": {"session_id": session_id, "tensors": tensors} | fields}


def chunks(data: bytes, tensor: int = 0, step: int = MIN_PIECE_BYTES) -> list[dict[str, Any]]:
    return [
        {"chunk": {"tensor_index": tensor, "byte_offset": start, "data": data[start : start + step]}}
        for start in range(0, len(data), step)
    ]


async def test_items_are_answered_in_their_order_with_their_names(streaming: Conversation, loaded: str) -> None:
    await streaming.send(*(item(loaded, f"n{index % 3}", CUBE + index) for index in range(20)))
    answers = await streaming.end()
    assert [each.correlation_id for each in answers] == [f"n{index % 3}" for index in range(20)]
    for index, each in enumerate(answers):
        expected = (CUBE + index).mean(axis=-1, keepdims=True)
        np.testing.assert_array_equal(to_numpy(each.result.outputs["detector.scores"]), expected)
        assert set(each.result.metrics) == {"detector.mean"}


async def test_bad_items_are_answered_in_band_and_the_stream_goes_on(streaming: Conversation, loaded: str) -> None:
    await streaming.send(
        {"correlation_id": "empty"},
        item(loaded, "twice", output_specs=["a", "a"]),
        item(loaded, "good"),
        item(loaded, "rank", CUBE[0]),
        item(loaded, "type", CUBE.astype(np.int32)),
        item("A" * 32, "foreign"),
        item(loaded, "shm", inputs={"cube": {"dtype": 1, "shm_ref": {"name": "segment"}}}),
        item(loaded, "good again"),
    )
    assert outcomes(await streaming.end()) == [
        ("empty", "FIELD_INVALID"),
        ("twice", "FIELD_INVALID"),
        ("good", "result"),
        ("rank", "TENSOR_SHAPE"),
        ("type", "TENSOR_DTYPE"),
        ("foreign", "FIELD_INVALID"),
        ("shm", "SHM_DISABLED"),
        ("good again", "result"),
    ]


async def test_what_a_node_raises_is_one_items_matter(streaming: Conversation, loaded: str, app: Application) -> None:
    app.runtime.faults["infer"] = Failure(Reason.NODE_FAILED, "detector: no")
    await streaming.send(item(loaded, "1"))
    answer = await streaming.call.read()
    app.runtime.faults.clear()
    await streaming.send(item(loaded, "2"))
    assert outcomes([answer, *await streaming.end()]) == [("1", "NODE_FAILED"), ("2", "result")]


def test_a_result_above_the_limit_of_a_message_is_a_failure_of_its_item() -> None:

    codec = InferenceStreamCodec(FieldRules(), MessageSizes(inference=100))
    result = Inference(outputs={"n.p": Tensor.of(CUBE)}, metrics={})
    answer = method("StreamInference").response.FromString(codec.answer(StreamAnswer("x", result)))
    assert outcomes([answer]) == [("x", "MESSAGE_TOO_LARGE")]


async def test_an_unknown_session_ends_the_stream(streaming: Conversation) -> None:
    await streaming.send(item("A" * 32, "1"))
    assert (await streaming.failure()).reason == "SESSION_NOT_FOUND"


async def test_a_session_without_a_pipeline_ends_the_stream(streaming: Conversation, session_id: str) -> None:
    await streaming.send(item(session_id, "1"))
    assert (await streaming.failure()).reason == "STATE_INVALID"


async def test_a_stream_of_nothing_ends_well(streaming: Conversation) -> None:
    assert await streaming.end() == []


async def test_closing_the_session_ends_a_stream_that_waits(
    client: WireClient, streaming: Conversation, loaded: str
) -> None:
    await streaming.send(item(loaded, "1"))
    assert outcomes([await streaming.call.read()]) == [("1", "result")]
    await client.call("CloseSession", session_id=loaded)
    failure = await streaming.failure()
    assert (failure.code, failure.reason) == (grpc.StatusCode.ABORTED, "SESSION_CLOSING")


async def test_a_lost_worker_ends_the_stream(streaming: Conversation, loaded: str, app: Application) -> None:
    app.runtime.faults["infer"] = Failure(Reason.WORKER_CRASHED, "the worker process died")
    await streaming.send(item(loaded, "1"))
    assert (await streaming.failure()).reason == "WORKER_CRASHED"


async def test_items_are_taken_as_they_are_answered(streaming: Conversation, loaded: str, app: Application) -> None:
    app.runtime.pauses["infer"] = asyncio.Event()
    sending = asyncio.create_task(streaming.send(*(item(loaded, str(index)) for index in range(3 * MOST_ITEMS))))
    for _ in range(MOST_ITEMS):
        await app.runtime.reached("infer")
    for _ in range(200):
        await asyncio.sleep(0)
    assert app.runtime.worker.taken == MOST_ITEMS
    app.runtime.pauses["infer"].set()
    await sending
    assert len(await streaming.end()) == 3 * MOST_ITEMS


async def test_a_cancelled_stream_leaves_a_usable_session(
    client: WireClient, streaming: Conversation, loaded: str, app: Application
) -> None:
    app.runtime.pauses["infer"] = asyncio.Event()
    await streaming.send(item(loaded, "1"), item(loaded, "2"))
    await app.runtime.reached("infer")
    streaming.call.cancel()
    app.runtime.pauses["infer"].set()
    answer = await client.call("Inference", **item(loaded, "")["inference"])
    assert set(answer.outputs) == {"detector.scores"}


async def test_inputs_in_pieces_give_what_one_message_gives(
    chunked: Conversation, loaded: str, app: Application
) -> None:
    cube = np.random.default_rng(1).normal(size=(1, 700, 500, 5)).astype(np.float32)
    await chunked.send(header(loaded, cube), *chunks(cube.tobytes(), step=3 << 20))
    first, *pieces = await chunked.end()
    (announced,) = first.header.tensors
    assert (announced.name, announced.size_bytes) == ("detector.scores", 700 * 500 * 4)
    assert list(announced.shape) == [1, 700, 500, 1]
    assert set(first.header.metrics) == {"detector.mean"}
    received = b"".join(each.chunk.data for each in pieces)
    np.testing.assert_array_equal(np.frombuffer(received, "<f4"), cube.mean(axis=-1).ravel())
    assert app.runtime.worker.inputs["cube"].array().tobytes() == cube.tobytes()
    assert app.runtime.worker.reservations[-1].released


async def test_outputs_come_in_pieces_of_legal_length_without_gaps(chunked: Conversation, loaded: str) -> None:
    cube = np.ones((1, 1500, 1000, 1), np.float32)
    await chunked.send(
        header(loaded, cube, output_specs=["detector.scores", "scores"]), *chunks(cube.tobytes(), step=MAX_PIECE_BYTES)
    )
    first, *pieces = await chunked.end()
    ends = [0, 0]
    places = [each.chunk.tensor_index for each in pieces]
    assert places == sorted(places)
    for each in pieces:
        chunk = each.chunk
        assert chunk.byte_offset == ends[chunk.tensor_index]
        ends[chunk.tensor_index] += len(chunk.data)
        last = ends[chunk.tensor_index] == first.header.tensors[chunk.tensor_index].size_bytes
        assert len(chunk.data) <= MAX_PIECE_BYTES
        assert last or len(chunk.data) >= MIN_PIECE_BYTES
    assert ends == [cube.nbytes, cube.nbytes]


async def test_prompts_go_with_the_header(chunked: Conversation, loaded: str, app: Application) -> None:
    prompts = {"bboxes": {"boxes": [{"element_id": 1, "x_max": 2, "y_max": 3, "object_id": 2**31 - 1}]}}
    await chunked.send(header(loaded, CUBE, inputs=prompts), *chunks(CUBE.tobytes()))
    await chunked.end()
    given = app.runtime.worker.inputs["bboxes"].array()
    np.testing.assert_array_equal(given, [[1, 0, 0, 2, 3, 2**31 - 1]])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"size_bytes": CUBE.nbytes + 4}, "TENSOR_SIZE_MISMATCH"),
        ({"size_bytes": 2**63, "shape": [2**62, 2**62, 2**62, 2**62]}, "TENSOR_SIZE_MISMATCH"),
        ({"dtype": 2, "size_bytes": 2 * CUBE.nbytes}, "TENSOR_DTYPE"),
        ({"dtype": 99}, "FIELD_INVALID"),
        ({"shape": [120]}, "TENSOR_SHAPE"),
        ({"shape": [2, 3, 0, 5]}, "FIELD_INVALID"),
        ({"name": "other"}, "INPUT_NAME_UNKNOWN"),
        ({"name": "bboxes"}, "INPUT_NAME_MISSING"),
    ],
)
async def test_headers_that_do_not_fit_are_refused_before_any_memory_is_reserved(
    chunked: Conversation, loaded: str, app: Application, change: dict[str, Any], reason: str
) -> None:
    message = header(loaded, CUBE)
    message["header"]["tensors"][0] |= change
    await chunked.send(message)
    assert (await chunked.failure()).reason == reason
    assert app.runtime.worker.reservations == []


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        (lambda _: chunks(CUBE.tobytes()), "FIELD_INVALID"),
        (lambda _: [{}], "FIELD_INVALID"),
        (lambda _: [header("A" * 32, CUBE)], "SESSION_NOT_FOUND"),
        (lambda session: [header(session, CUBE, inputs={"cube": to_proto(CUBE)})], "FIELD_INVALID"),
        (lambda session: [header(session, CUBE), header(session, CUBE)], "FIELD_INVALID"),
        (lambda session: [header(session, CUBE), {}], "FIELD_INVALID"),
        (lambda session: [header(session, CUBE), *chunks(CUBE.tobytes(), tensor=1)], "FIELD_INVALID"),
        (lambda session: [header(session, CUBE), chunks(CUBE.tobytes(), step=64)[0]], "FIELD_INVALID"),
        (lambda session: [header(session, CUBE), *chunks(CUBE.tobytes() + b"x")], "TENSOR_SIZE_MISMATCH"),
    ],
)
async def test_a_part_out_of_turn_runs_nothing(
    chunked: Conversation, loaded: str, app: Application, messages: Any, reason: str
) -> None:
    await chunked.send(*messages(loaded))
    assert (await chunked.failure()).reason == reason
    assert app.runtime.worker.taken == 0
    assert all(each.released for each in app.runtime.worker.reservations)


async def test_a_stream_that_ends_too_early_runs_nothing(chunked: Conversation, loaded: str, app: Application) -> None:
    await chunked.send(header(loaded, CUBE))
    await chunked.call.done_writing()
    assert (await chunked.failure()).reason == "TENSOR_SIZE_MISMATCH"
    assert app.runtime.worker.taken == 0


async def test_the_same_name_twice_is_refused(chunked: Conversation, loaded: str) -> None:
    message = header(loaded, CUBE)
    message["header"]["tensors"] *= 2
    await chunked.send(message)
    assert (await chunked.failure()).violations[0].subject == "header.tensors[1].name"


async def test_closing_the_session_ends_a_request_that_is_being_sent(
    client: WireClient, chunked: Conversation, loaded: str, app: Application
) -> None:
    await chunked.send(header(loaded, CUBE))
    await app.runtime.reached("reserve")
    await client.call("CloseSession", session_id=loaded)
    assert (await chunked.failure()).reason == "SESSION_CLOSING"
    assert app.runtime.worker.reservations[-1].released


async def test_each_piece_keeps_the_session_alive(chunked: Conversation, loaded: str, app: Application) -> None:
    cube = np.ones((1, 512, 512, 2), np.float32)
    session = app.sessions.find("anonymous", loaded)
    one, *rest = chunks(cube.tobytes())
    await chunked.send(header(loaded, cube))
    await app.runtime.reached("reserve")
    app.clock.now += 100
    await chunked.send(one, *rest)
    await chunked.end()
    assert session.last_used == app.clock.now


def test_the_largest_pieces_fit_into_a_message() -> None:
    raw = inference_pb2.TensorChunk(tensor_index=255, byte_offset=2**64 - 1, data=bytes(MAX_PIECE_BYTES))
    assert raw.ByteSize() + 16 < TransportSettings().sizes.chunk
