"""GetParameterSchema gives a JSON Schema that every resolved configuration meets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from catenary.v1.config_requests_pb2 import GetParameterSchemaRequest
from catenary_conformance import rpcs
from catenary_conformance.requirement import requirement

if TYPE_CHECKING:
    from catenary.v1.config_pb2 import ConfigFile
    from catenary_conformance.cases.configs.conftest import Resolver
    from catenary_conformance.target import Target

GROUPS = ("pipeline", "trainrun", "data", "training", "optimizer", "scheduler", "callbacks")
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_EACH = 1
"""Configurations of a group that are held against its schema."""


def _schema(target: Target, group: str) -> dict[str, Any]:
    answer = rpcs.GET_PARAMETER_SCHEMA.ok(target, GetParameterSchemaRequest(config_type=group))
    found: dict[str, Any] = json.loads(answer.json_schema)
    return found


@requirement("CAT-CFG-018")
@pytest.mark.parametrize("group", GROUPS)
def test_the_schema_of_a_group_is_valid_and_met_by_what_resolves(
    target: Target, resolver: Resolver, listed: list[ConfigFile], group: str
) -> None:
    schema = _schema(target, group)
    assert schema.get("$schema", _DRAFT).rstrip("#") == _DRAFT
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for file in [each for each in listed if each.config_type == group][:_EACH]:
        found = [error.message for error in validator.iter_errors(resolver.json(config_type=group, path=file.path))]
        assert not found, f"{file.path}: {found}"


@requirement("CAT-CFG-018")
def test_the_schema_refuses_what_resolve_config_refuses(target: Target, resolver: Resolver) -> None:
    config = resolver.json()
    config["training"]["optimizer"]["lr"] = "fast"
    assert list(jsonschema.Draft202012Validator(_schema(target, "trainrun")).iter_errors(config))


@requirement("CAT-CFG-019")
@pytest.mark.parametrize("group", ["no_such_group", "Trainrun"])
def test_an_unknown_group_is_refused(target: Target, group: str) -> None:
    request = GetParameterSchemaRequest(config_type=group)
    answer = rpcs.GET_PARAMETER_SCHEMA.refused(target, request, reason="FIELD_INVALID")
    assert "config_type" in answer.violations
