from __future__ import annotations

import pytest

from catenary.v1 import inference_requests_pb2, training_requests_pb2
from catenary_server.domain.failure import Failure, Reason
from catenary_server.transport.interceptors.rules import FieldRules


def refused(message: training_requests_pb2.TrainRequest | inference_requests_pb2.InferenceRequest) -> Failure:
    with pytest.raises(Failure) as caught:
        FieldRules().check(message.DESCRIPTOR.full_name, message.SerializeToString())
    assert caught.value.reason is Reason.FIELD_INVALID
    return caught.value


@pytest.mark.parametrize("number", [0, 3, 77])
def test_a_phase_that_there_is_not_is_told_the_ones_there_are(number: int) -> None:
    request = training_requests_pb2.TrainRequest(session_id="s")
    request.trainer_type = number  # type: ignore[assignment] # 3 was calibration, a phase of earlier servers
    (fault,) = refused(request).violations
    assert fault.subject == "trainer_type"
    assert fault.description.endswith("choose one of TRAINER_TYPE_STATISTICAL, TRAINER_TYPE_GRADIENT")


def test_choices_are_found_below_the_items_of_a_list() -> None:
    request = inference_requests_pb2.InferenceRequest(session_id="s")
    for number in (1, 99):
        request.inputs.points.points.add().type = number  # type: ignore[assignment] # 99 is none of the contract
    (fault,) = refused(request).violations
    assert fault.subject == "inputs.points.points[1].type"
    assert fault.description.endswith("choose one of POINT_TYPE_POSITIVE, POINT_TYPE_NEGATIVE, POINT_TYPE_NEUTRAL")
