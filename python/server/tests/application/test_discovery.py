from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from application import OWNER, Application
from fake_configs import PIPELINE

from catenary_server.domain.failure import Failure, Reason

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def provided(tmp_path: Path, app: Application) -> Path:
    place = app.source.root / "pipeline" / "given.yaml"
    place.parent.mkdir()
    place.write_text(json.dumps(PIPELINE | {"metadata": {"name": "given", "tags": ["theirs"]}}))
    return place


async def test_pipelines_of_the_operator_and_what_the_caller_saved_are_listed(app: Application, provided: Path) -> None:
    session = await app.loaded()
    saved = await app.pipelines.save(session, "mine")
    assert [file.path for file in await app.discovery.pipelines(OWNER)] == [saved.pipeline_path, "pipeline/given.yaml"]
    assert [file.path for file in await app.discovery.pipelines("somebody else")] == ["pipeline/given.yaml"]


async def test_a_tag_selects(app: Application, provided: Path) -> None:
    assert [file.path for file in await app.discovery.pipelines(OWNER, "theirs")] == ["pipeline/given.yaml"]
    assert await app.discovery.pipelines(OWNER, "unknown") == ()


async def test_a_saved_pipeline_is_described_to_its_owner_alone(app: Application) -> None:
    session = await app.loaded()
    saved = await app.pipelines.save(session, "kept/mine")
    file = await app.discovery.pipeline(OWNER, "kept/mine")
    assert (file.path, file.weights_path) == (saved.pipeline_path, saved.weights_path)
    assert file.metadata.catenary_version
    with pytest.raises(Failure) as caught:
        await app.discovery.pipeline("somebody else", "kept/mine")
    assert caught.value.reason is Reason.CONFIG_NOT_FOUND
