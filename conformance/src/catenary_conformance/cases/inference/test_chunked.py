"""One request in pieces: the same outputs, and nothing is run before all of it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary.v1.inference_pb2 import InputBatch
from catenary.v1.inference_requests_pb2 import InferenceChunkedRequest, InferenceRequest
from catenary.v1.tensor_pb2 import D_TYPE_FLOAT64, Tensor
from catenary_conformance import rpcs
from catenary_conformance.chunked import CHUNK_BYTES, assembled, chunk, chunks, header
from catenary_conformance.requirement import requirement
from catenary_conformance.target import CALL_SECONDS
from catenary_conformance.tensors import noise, zeros

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary_conformance.cases.inference.conftest import Trained
    from catenary_conformance.target import Target

_LARGE = 168
"""Height and width of a cube that comes in two pieces: 168 x 168 x 12 float32 are 1.3 MiB."""


def _unanswered(target: Target, *requests: InferenceChunkedRequest, reason: str) -> None:
    """Refused with the reason, and no response before."""
    responses, answer = rpcs.INFER_CHUNKED.exchange(target, *requests)
    rpcs.expect_reason(answer, reason)
    assert not responses, "a refused request was answered"


@requirement("CAT-INF-015", "CAT-INF-019")
def test_the_outputs_are_those_of_inference(target: Target, trained: Trained) -> None:
    for seed in range(3):
        tensors = trained.tensors(seed=seed)
        responses = rpcs.INFER_CHUNKED.all(target, header(trained.session_id, tensors), *chunks(tensors))
        assert assembled(responses) == dict(trained.outputs(seed=seed))


@requirement("CAT-INF-015", "CAT-INF-019")
def test_large_inputs_and_outputs_travel_in_pieces(target: Target, trained: Trained) -> None:
    tensors = _large(trained)
    request = InferenceRequest(session_id=trained.session_id, inputs=InputBatch(cube=tensors["cube"]))
    expected = dict(rpcs.INFER.ok(target, request).outputs)
    messages = list(chunks(tensors))
    assert len(messages) > 1
    responses = rpcs.INFER_CHUNKED.all(target, header(trained.session_id, tensors), *messages)
    assert assembled(responses) == expected


def _large(trained: Trained) -> dict[str, Tensor]:
    """A cube of more than a piece, by its name."""
    tensor = trained.tensors().get("cube")
    if tensor is None:
        pytest.skip("the pipeline takes no cube")
    shape = [1, _LARGE, _LARGE, tensor.shape[3]]
    return {"cube": Tensor(shape=shape, dtype=tensor.dtype, raw_data=noise(shape))}


def _out_of_turn(trained: Trained) -> Mapping[str, list[InferenceChunkedRequest]]:
    tensors = trained.tensors()
    first = header(trained.session_id, tensors)
    content = next(iter(tensors.values())).raw_data
    return {
        "no-header": [chunk(0, 0, content)],
        "second-header": [first, first],
        "offset": [first, chunk(0, 4, content[4:])],
        "tensor": [first, chunk(200, 0, content)],
    }


@requirement("CAT-INF-016")
@pytest.mark.parametrize("fault", ["no-header", "second-header", "offset", "tensor"])
def test_a_part_out_of_turn_is_refused(target: Target, trained: Trained, fault: str) -> None:
    before = trained.outputs()
    _unanswered(target, *_out_of_turn(trained)[fault], reason="FIELD_INVALID")
    assert trained.outputs() == before


@requirement("CAT-INF-017")
@pytest.mark.parametrize("sent", [0, 1])
def test_a_stream_that_ends_before_all_bytes_have_come_is_refused(target: Target, trained: Trained, sent: int) -> None:
    tensors = _large(trained)
    pieces = list(chunks(tensors))
    _unanswered(target, header(trained.session_id, tensors), *pieces[:sent], reason="TENSOR_SIZE_MISMATCH")


@requirement("CAT-INF-016")
def test_a_piece_that_is_too_short_and_not_the_last_is_refused(target: Target, trained: Trained) -> None:
    tensors = _large(trained)
    pieces = list(chunks(tensors, length=CHUNK_BYTES // 2))
    _unanswered(target, header(trained.session_id, tensors), *pieces, reason="FIELD_INVALID")


@requirement("CAT-INF-017")
def test_more_bytes_than_the_headers_say_are_refused(target: Target, trained: Trained) -> None:
    tensors = trained.tensors()
    content = next(iter(tensors.values())).raw_data
    first = header(trained.session_id, tensors)
    responses, answer = rpcs.INFER_CHUNKED.exchange(target, first, chunk(0, 0, content + b"more"))
    assert answer.reason in {"TENSOR_SIZE_MISMATCH", "FIELD_INVALID"}, f"{answer}"
    assert not responses


@requirement("CAT-INF-001")
@pytest.mark.parametrize("wrong", [1, -1, CHUNK_BYTES])
def test_a_size_that_is_not_that_of_the_shape_is_refused_before_any_chunk(
    target: Target, trained: Trained, wrong: int
) -> None:
    first = header(trained.session_id, trained.tensors())
    first.header.tensors[0].size_bytes += wrong
    with rpcs.INFER_CHUNKED.open(target, first, timeout=CALL_SECONDS) as stream:
        assert stream.receive() is None, "a response came before a chunk was sent"
        rpcs.expect_reason(stream.end(), "TENSOR_SIZE_MISMATCH")


@requirement("CAT-INF-018")
@pytest.mark.parametrize("fault", ["name", "type", "rank"])
def test_headers_that_no_port_takes_are_refused_before_any_chunk(target: Target, trained: Trained, fault: str) -> None:
    name, tensor = trained.main_input, trained.tensors()[trained.main_input]
    wrong = {
        "name": ({name: tensor, "no_such_input": tensor}, "INPUT_NAME_UNKNOWN"),
        "type": ({name: zeros(tensor.shape, D_TYPE_FLOAT64)}, "TENSOR_DTYPE"),
        "rank": ({name: zeros([1, *tensor.shape], tensor.dtype)}, "TENSOR_SHAPE"),
    }
    tensors, reason = wrong[fault]
    with rpcs.INFER_CHUNKED.open(target, header(trained.session_id, tensors), timeout=CALL_SECONDS) as stream:
        assert stream.receive() is None, "a response came before a chunk was sent"
        rpcs.expect_reason(stream.end(), reason)


@requirement("CAT-INF-017")
def test_a_stream_that_breaks_off_runs_nothing_and_may_be_sent_again(target: Target, trained: Trained) -> None:
    tensors = trained.tensors()
    first = header(trained.session_id, tensors)
    with rpcs.INFER_CHUNKED.open(target, first) as stream:
        stream.cancel()
        stream.end()
    assert assembled(rpcs.INFER_CHUNKED.all(target, first, *chunks(tensors))) == dict(trained.outputs())


@requirement("CAT-INF-008")
def test_pieces_need_a_pipeline(target: Target, trained: Trained, session: str) -> None:
    tensors = trained.tensors()
    _unanswered(target, header(session, tensors), *chunks(tensors), reason="STATE_INVALID")
