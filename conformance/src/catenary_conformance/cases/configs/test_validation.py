"""ValidateConfig says all that is wrong, as an answer and not as a failure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from catenary.v1.config_pb2 import ConfigViolation
from catenary.v1.config_requests_pb2 import ValidateConfigRequest, ValidateConfigResponse
from catenary_conformance import rpcs
from catenary_conformance.requirement import requirement
from catenary_conformance.workload import canonical

if TYPE_CHECKING:
    from catenary_conformance.cases.configs.conftest import Resolver
    from catenary_conformance.target import Target

_ERROR = ConfigViolation.SEVERITY_ERROR


def _validate(target: Target, config_type: str, config: bytes) -> ValidateConfigResponse:
    request = ValidateConfigRequest(config_type=config_type, config_bytes=config)
    answer = rpcs.VALIDATE_CONFIG.ok(target, request)
    errors = [each for each in answer.violations if each.severity == _ERROR]
    assert answer.valid == (not answer.errors) == (not errors), "valid, errors and violations do not agree"
    assert len(answer.errors) == len(errors)
    return answer


@requirement("CAT-CFG-015")
def test_what_resolve_config_answers_is_valid(target: Target, resolver: Resolver) -> None:
    answer = _validate(target, "trainrun", resolver.resolve().config_bytes)
    assert answer.valid, f"{list(answer.errors)}"


@requirement("CAT-CFG-015")
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"null", b"\xff\xfe", b'{"a": }', b"not json"])
def test_what_is_no_json_object_is_answered_as_invalid(target: Target, content: bytes) -> None:
    assert not _validate(target, "training", content).valid


@requirement("CAT-CFG-015", "CAT-CFG-016")
@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("training", "seed"), "word"),
        (("training", "optimizer", "lr"), -1),
        (("training", "trainer", "max_epochs"), []),
        (("no_such_key",), 1),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else None,
)
def test_a_fault_is_named_by_the_path_of_its_key(
    target: Target, resolver: Resolver, keys: tuple[str, ...], value: object
) -> None:
    config = _with(resolver.json(), keys, value)
    answer = _validate(target, "trainrun", canonical(config))
    assert not answer.valid
    assert ".".join(keys) in {each.key_path for each in answer.violations}


@requirement("CAT-CFG-016")
def test_every_fault_is_named_not_only_the_first(target: Target, resolver: Resolver) -> None:
    config = _with(_with(resolver.json(), ("training", "seed"), "word"), ("training", "optimizer", "lr"), -1)
    named = {each.key_path for each in _validate(target, "trainrun", canonical(config)).violations}
    assert {"training.seed", "training.optimizer.lr"} <= named


@requirement("CAT-CFG-017")
@pytest.mark.parametrize("group", ["", "no_such_group", "Trainrun", "trainrun/"])
def test_an_unknown_group_is_answered_as_invalid(target: Target, group: str) -> None:
    answer = _validate(target, group, b"{}")
    assert not answer.valid
    assert answer.errors


def _with(config: Any, keys: tuple[str, ...], value: object) -> Any:  # noqa: ANN401 - JSON
    """A copy of a configuration with one key otherwise."""
    changed = json.loads(json.dumps(config))
    inner = changed
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return changed
