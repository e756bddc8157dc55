from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from application import OWNER, Application, content
from fake_configs import PIPELINE, TRAINRUN

from catenary_server.application.runs import TrainRequest
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.training import Phase

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def provided(tmp_path: Path, app: Application) -> Path:
    place = app.source.root / "pipeline" / "given.yaml"
    place.parent.mkdir()
    place.write_text(json.dumps(PIPELINE | {"metadata": {"name": "given", "tags": ["theirs"]}}))
    return place


async def test_workers_and_runs_are_counted_while_they_last(app: Application) -> None:
    def counted() -> tuple[int, int]:
        facts = app.discovery.server(OWNER)
        return facts.workers, facts.sessions.training

    session = app.session()
    assert counted() == (0, 0)
    await app.training.set_config(session, content(TRAINRUN))
    assert counted() == (1, 0)
    app.runtime.held = True
    app.runtime.worker.proceed()
    async for event in app.training.train(session, TrainRequest(phase=Phase.STATISTICAL)):
        assert counted() == (1, 0 if event.progress.status.final else 1)
        app.runtime.worker.proceed()
    await app.sessions.close(OWNER, session.session_id)
    assert counted() == (0, 0)


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
