from __future__ import annotations

import pytest

from catenary.contract.v1 import options_pb2
from catenary.v1.execution_stage_pb2 import EXECUTION_STAGE_TRAIN, ExecutionStage
from catenary.v1.tensor_pb2 import D_TYPE_FLOAT32, DType
from catenary.v1.training_pb2 import TrainStatus
from catenary_wire import names


def test_a_value_loses_the_prefix_of_its_enum() -> None:
    assert names.short_name(ExecutionStage, EXECUTION_STAGE_TRAIN) == "TRAIN"
    assert names.short_name(DType, D_TYPE_FLOAT32) == "FLOAT32"
    assert names.short_name(TrainStatus, 1) == "IN_PROGRESS"


def test_a_number_of_a_newer_contract_is_its_own_name() -> None:
    assert names.short_name(ExecutionStage, 77) == "77"


@pytest.mark.parametrize("name", ["TRAIN", "train", "EXECUTION_STAGE_TRAIN"])
def test_a_value_is_found_by_any_form_of_its_name(name: str) -> None:
    assert names.number_of(ExecutionStage, name) == EXECUTION_STAGE_TRAIN


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="fly is none of TRAIN, VALIDATE, TEST, INFERENCE"):
        names.number_of(ExecutionStage, "fly")


def test_the_services_have_all_rpcs_of_the_contract() -> None:
    paths = [names.path_of(method) for service in names.services() for method in service.methods]
    assert len(paths) == len(set(paths)) == 51
    assert "/catenary.v1.SessionService/CreateSession" in paths


def test_every_rpc_has_a_capability_or_is_how_they_are_learned() -> None:
    without = [
        method.name
        for service in names.services()
        for method in service.methods
        if not method.GetOptions().Extensions[options_pb2.method].capability
    ]
    assert without == ["GetServerInfo"]
