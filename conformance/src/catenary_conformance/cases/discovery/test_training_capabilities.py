"""What a training may use is what ValidateConfig accepts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from catenary.v1.config_requests_pb2 import ValidateConfigRequest
from catenary.v1.discovery_service_pb2 import GetTrainingCapabilitiesRequest, GetTrainingCapabilitiesResponse
from catenary_conformance import rpcs
from catenary_conformance.requirement import capability, requirement
from catenary_conformance.workload import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catenary.v1.node_pb2 import ParamSpec
    from catenary_conformance.target import Target

pytestmark = capability("configs")

_SAMPLES = {"number": 0.5, "integer": 1, "string": "loss", "boolean": True, "array": [], "object": {}}


@pytest.fixture
def offered_means(target: Target) -> GetTrainingCapabilitiesResponse:
    return rpcs.GET_TRAINING_CAPABILITIES.ok(target, GetTrainingCapabilitiesRequest())


def _errors(target: Target, group: str, config: dict[str, Any]) -> list[str]:
    request = ValidateConfigRequest(config_type=group, config_bytes=canonical(config))
    return list(rpcs.VALIDATE_CONFIG.ok(target, request).errors)


def _required(params: Iterable[ParamSpec], name: str) -> dict[str, Any]:
    """A value for each parameter that has no default and is of this algorithm."""
    return {
        each.name: _sample(each)
        for each in params
        if each.required and (not each.validation or name in each.validation or "of:" not in each.validation)
    }


def _sample(param: ParamSpec) -> Any:  # noqa: ANN401 - JSON
    return json.loads(param.default_value) if param.default_value else _SAMPLES[param.type]


@requirement("CAT-DIS-011")
def test_every_listed_optimizer_is_accepted_and_no_other(
    target: Target, offered_means: GetTrainingCapabilitiesResponse
) -> None:
    assert offered_means.supported_optimizers
    for name in offered_means.supported_optimizers:
        assert not _errors(target, "optimizer", {"name": name}), name
    assert _errors(target, "optimizer", {"name": "no_such_optimizer"})


@requirement("CAT-DIS-011")
def test_every_listed_scheduler_is_accepted_and_no_other(
    target: Target, offered_means: GetTrainingCapabilitiesResponse
) -> None:
    params = offered_means.scheduler_params.parameters
    for name in offered_means.supported_schedulers:
        errors = _errors(target, "scheduler", {"name": name, **_required(params, name)})
        assert not errors, f"{name}: {errors}"
    assert _errors(target, "scheduler", {"name": "no_such_scheduler"})


@requirement("CAT-DIS-011")
def test_every_listed_callback_is_accepted_and_no_other(
    target: Target, offered_means: GetTrainingCapabilitiesResponse
) -> None:
    for callback in offered_means.supported_callbacks:
        config = {callback.type: {each.name: _sample(each) for each in callback.parameters if each.required}}
        errors = _errors(target, "callbacks", config)
        assert not errors, f"{callback.type}: {errors}"
    assert _errors(target, "callbacks", {"no_such_callback": {}})


@requirement("CAT-DIS-011")
def test_data_readers_name_suffixes_and_the_modes_they_admit(offered_means: GetTrainingCapabilitiesResponse) -> None:
    suffixes = [each.suffix for each in offered_means.data_readers]
    assert len(set(suffixes)) == len(suffixes)
    for each in offered_means.data_readers:
        assert each.default_processing_mode in each.processing_modes, each.suffix
