from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from application import OWNER, Application, content

from catenary_server.domain.failure import Failure, Reason

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_saved_run_comes_back_whole(app: Application) -> None:
    session = await app.loaded()
    app.runtime.worker.weights = b"weights after training"
    saved = await app.trainruns.save(session, "run", save_weights=True)
    restored = await app.trainruns.restore(OWNER, saved.trainrun_path, weights_path=None, strict=True)
    assert restored.session is not session
    assert app.runtime.worker.weights == b"weights after training"
    assert restored.weights_path == saved.weights_path == "run.safetensors"
    assert restored.session.saved_weights == "run.safetensors"
    assert restored.session.trainrun is not None
    assert restored.session.trainrun.data == (session.trainrun and session.trainrun.data)
    assert app.source.read_trainrun(restored.content).pipeline == (session.pipeline and session.pipeline.config)


async def test_without_weights_a_run_refers_to_the_last_saved_pipeline(app: Application) -> None:
    session = await app.loaded()
    bare = await app.trainruns.save(session, "bare", save_weights=False)
    assert (bare.pipeline_path, bare.weights_path) == ("", "")
    pipeline = await app.pipelines.save(session, "kept")
    run = await app.trainruns.save(session, "run", save_weights=False)
    assert (run.pipeline_path, run.weights_path) == (pipeline.pipeline_path, pipeline.weights_path)
    restored = await app.trainruns.restore(OWNER, "bare", weights_path=None, strict=True)
    assert restored.weights_path == ""
    other = await app.trainruns.restore(OWNER, "bare", weights_path="kept.pt", strict=True)
    assert other.weights_path == "kept.safetensors"


async def test_saving_needs_a_trainrun(app: Application) -> None:
    session = app.session()
    await app.pipelines.load_bytes(session, content())
    with pytest.raises(Failure) as caught:
        await app.trainruns.save(session, "run", save_weights=False)
    assert caught.value.reason is Reason.STATE_INVALID


@pytest.mark.parametrize(
    ("text", "reason"),
    [(None, Reason.ARTIFACT_NOT_FOUND), (b"[]", Reason.CONFIG_INVALID), (b'{"name": "x"}', Reason.CONFIG_INVALID)],
)
async def test_a_restore_that_fails_leaves_no_session(
    app: Application, tmp_path: Path, text: bytes | None, reason: Reason
) -> None:
    if text is not None:
        (tmp_path / "artifacts" / "run.yaml").write_bytes(text)
    with pytest.raises(Failure) as caught:
        await app.trainruns.restore(OWNER, "run", weights_path=None, strict=True)
    assert caught.value.reason is reason
    assert app.sessions.count == 0


async def test_a_restore_into_a_session_replaces_what_it_had_or_nothing(app: Application) -> None:
    session = await app.loaded()
    await app.trainruns.save(session, "run", save_weights=True)
    first, trainrun = app.runtime.worker, session.trainrun
    app.runtime.faults["load_weights"] = Failure(Reason.WEIGHTS_CORRUPT, "damaged")
    with pytest.raises(Failure):
        await app.trainruns.restore(OWNER, "run", weights_path=None, strict=True, session_id=session.session_id)
    assert session.pipeline is not None
    assert session.pipeline.worker is first
    assert session.trainrun is trainrun
    assert not first.closed
    assert app.runtime.worker.closed
    app.runtime.faults.clear()
    await app.trainruns.restore(OWNER, "run", weights_path=None, strict=True, session_id=session.session_id)
    assert session.pipeline.worker is app.runtime.worker
    assert first.closed
    assert session.trainrun is not trainrun


async def test_a_run_cannot_be_restored_into_somebody_elses_session(app: Application) -> None:
    foreign = app.session("other")
    with pytest.raises(Failure) as caught:
        await app.trainruns.restore(OWNER, "run", weights_path=None, strict=True, session_id=foreign.session_id)
    assert caught.value.reason is Reason.SESSION_NOT_FOUND
