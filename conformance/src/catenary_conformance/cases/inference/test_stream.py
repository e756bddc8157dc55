"""A stream of requests: one answer to each, in order, whatever becomes of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1.error_pb2 import ERROR_REASON_FIELD_INVALID, ERROR_REASON_INPUT_NAME_MISSING
from catenary.v1.inference_requests_pb2 import InferenceRequest, StreamInferenceRequest, StreamInferenceResponse
from catenary.v1.session_requests_pb2 import CloseSessionRequest
from catenary_conformance import rpcs
from catenary_conformance.requirement import requirement
from catenary_conformance.tensors import zeros

if TYPE_CHECKING:
    from catenary_conformance.cases.inference.conftest import Trained
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload

_SEEDS = (0, 1, 2, 1, 0, 2, 2, 0)


def _item(name: str, request: InferenceRequest) -> StreamInferenceRequest:
    return StreamInferenceRequest(correlation_id=name, inference=request)


def _missing(trained: Trained) -> InferenceRequest:
    return InferenceRequest(session_id=trained.session_id)


def _names(responses: list[StreamInferenceResponse]) -> list[str]:
    return [each.correlation_id for each in responses]


@requirement("CAT-INF-009", "CAT-INF-011", "CAT-INF-013")
def test_every_item_is_answered_in_order_with_its_correlation_id_as_by_inference(
    target: Target, trained: Trained
) -> None:
    expected = {seed: trained.outputs(seed=seed) for seed in set(_SEEDS)}
    items = [_item(f"item-{index}", trained.request(seed=seed)) for index, seed in enumerate(_SEEDS)]
    responses = rpcs.STREAM_INFERENCE.all(target, *items)
    assert _names(responses) == [each.correlation_id for each in items]
    for seed, response in zip(_SEEDS, responses, strict=True):
        assert response.WhichOneof("outcome") == "result", f"{response.failure}"
        assert response.result.outputs == expected[seed]


@requirement("CAT-INF-009")
def test_correlation_ids_may_repeat_and_be_empty(target: Target, trained: Trained) -> None:
    items = [_item(name, trained.request()) for name in ("same", "", "same", "")]
    assert _names(rpcs.STREAM_INFERENCE.all(target, *items)) == ["same", "", "same", ""]


@requirement("CAT-INF-009")
def test_answers_come_while_the_stream_is_open(target: Target, trained: Trained) -> None:
    with rpcs.STREAM_INFERENCE.open(target, _item("one", trained.request())) as stream:
        assert stream.receive().correlation_id == "one"
        stream.send(_item("two", trained.request(seed=1)))
        assert stream.receive().correlation_id == "two"
        stream.half_close()
        stream.end().expect_ok()


@requirement("CAT-INF-010")
def test_an_item_that_is_refused_is_answered_in_band_and_the_others_as_if_it_were_not_there(
    target: Target, trained: Trained
) -> None:
    expected = trained.outputs()
    wrong = trained.spoilt(zeros([1], trained.tensors()[trained.main_input].dtype))
    items = [
        _item("good-1", trained.request()),
        _item("missing", _missing(trained)),
        _item("good-2", trained.request()),
        _item("shape", wrong),
        _item("output", trained.request(output_specs=("no_such_port",))),
        _item("good-3", trained.request()),
    ]
    responses = rpcs.STREAM_INFERENCE.all(target, *items)
    assert _names(responses) == [each.correlation_id for each in items]
    for response in responses:
        if response.correlation_id.startswith("good"):
            assert response.result.outputs == expected
        else:
            assert response.WhichOneof("outcome") == "failure"
            assert response.failure.reason
    assert responses[1].failure.reason == ERROR_REASON_INPUT_NAME_MISSING


@requirement("CAT-INF-012")
def test_an_item_of_another_session_is_answered_in_band(target: Target, trained: Trained, workload: Workload) -> None:
    other = trained.request()
    other.session_id = workload.open_session()
    items = [_item("one", trained.request()), _item("other", other), _item("two", trained.request())]
    responses = rpcs.STREAM_INFERENCE.all(target, *items)
    assert _names(responses) == ["one", "other", "two"]
    assert responses[1].failure.reason == ERROR_REASON_FIELD_INVALID
    assert responses[2].result.outputs == responses[0].result.outputs


@requirement("CAT-INF-011")
def test_a_stream_that_is_closed_at_once_ends_with_ok(target: Target) -> None:
    responses, answer = rpcs.STREAM_INFERENCE.exchange(target)
    answer.expect_ok()
    assert not responses


@requirement("CAT-INF-014")
def test_closing_the_session_ends_the_stream_aborted(target: Target, own_trained: Trained) -> None:
    with rpcs.STREAM_INFERENCE.open(target, _item("one", own_trained.request())) as stream:
        assert stream.receive() is not None
        rpcs.CLOSE_SESSION.ok(target, CloseSessionRequest(session_id=own_trained.session_id))
        rpcs.expect_reason(stream.end(), "SESSION_CLOSING")


@requirement("CAT-INF-008")
def test_a_stream_needs_a_pipeline(target: Target, session: str) -> None:
    item = _item("one", InferenceRequest(session_id=session))
    responses, answer = rpcs.STREAM_INFERENCE.exchange(target, item)
    rpcs.expect_reason(answer, "STATE_INVALID")
    assert not responses
