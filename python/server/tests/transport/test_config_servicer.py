from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from catenary.v1 import config_pb2

if TYPE_CHECKING:
    from pathlib import Path

    from wire_client import WireClient


async def test_a_configuration_resolves_with_overrides_and_names_its_files(client: WireClient, session_id: str) -> None:
    answer = await client.call(
        "ResolveConfig", session_id=session_id, config_type="trainrun", path="small", overrides=["name=other"]
    )
    assert json.loads(answer.config_bytes)["name"] == "other"
    assert [(file.config_type, file.path) for file in answer.source_files] == [("trainrun", "trainrun/small.yaml")]


async def test_a_malformed_override_is_named(client: WireClient, session_id: str) -> None:
    failure = await client.failure(
        "ResolveConfig", session_id=session_id, config_type="trainrun", path="small", overrides=["nonsense"]
    )
    assert failure.reason == "OVERRIDE_SYNTAX"
    assert failure.violations[0].subject == "nonsense"


@pytest.mark.parametrize(("group", "count"), [("", 3), ("pipeline", 1), ("trainrun", 2), ("data", 0)])
async def test_configurations_are_listed_by_group_in_pages(
    client: WireClient, session_id: str, tmp_path: Path, group: str, count: int
) -> None:
    listed, token = [], ""
    while True:
        page = await client.call("ListConfigs", session_id=session_id, config_type=group, page_size=1, page_token=token)
        listed += page.configs
        token = page.next_page_token
        if not token:
            break
    assert len(listed) == count
    assert listed == sorted(listed, key=lambda file: (file.config_type, file.path))
    assert all(file.search_path == str(tmp_path / "configs") for file in listed)


async def test_faults_of_a_configuration_are_an_answer(client: WireClient) -> None:
    answer = await client.call("ValidateConfig", config_type="data", config_bytes=b"[]")
    assert not answer.valid
    assert list(answer.errors) == ["is no JSON object"]
    assert list(answer.warnings) == ["name: better short"]
    assert [violation.severity for violation in answer.violations] == [
        config_pb2.ConfigViolation.SEVERITY_ERROR,
        config_pb2.ConfigViolation.SEVERITY_WARNING,
    ]
    assert not (await client.call("ValidateConfig", config_type="nonsense", config_bytes=b"{}")).valid
    assert (await client.call("ValidateConfig", config_type="data", config_bytes=b"{}")).valid


async def test_a_schema_is_json(client: WireClient) -> None:
    answer = await client.call("GetParameterSchema", config_type="training")
    assert json.loads(answer.json_schema)["title"] == "training"
