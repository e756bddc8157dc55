from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from application import OWNER, Application, content
from fake_configs import PIPELINE

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.pipeline import PipelineMetadata
from catenary_server.domain.session import SessionState

if TYPE_CHECKING:
    from pathlib import Path


def with_params(**params: object) -> bytes:
    first, *rest = PIPELINE["nodes"]
    return content(nodes=[first | {"params": params}, *rest])


async def paused(app: Application, call: str) -> asyncio.Event:
    event = app.runtime.pauses[call] = asyncio.Event()
    return event


async def test_a_second_pipeline_takes_the_same_worker(app: Application) -> None:
    session = app.session()
    await app.pipelines.load_bytes(session, content())
    await app.pipelines.load_bytes(session, content())
    assert len(app.runtime.workers) == 1
    assert app.runtime.worker.device == "cpu"


@pytest.mark.parametrize("loaded", [False, True])
async def test_a_load_that_fails_leaves_the_session_as_it_was(app: Application, loaded: bool) -> None:  # noqa: FBT001
    session = await app.loaded() if loaded else app.session()
    before = (session.state, session.pipeline)
    app.runtime.faults["load_pipeline"] = Failure(Reason.NODE_FAILED, "no")
    with pytest.raises(Failure):
        await app.pipelines.load_bytes(session, content())
    assert (session.state, session.pipeline) == before
    assert app.runtime.worker.closed is not loaded
    app.runtime.faults = {"start_worker": Failure(Reason.DEVICE_UNAVAILABLE, "no")}
    if not loaded:
        with pytest.raises(Failure):
            await app.pipelines.load_bytes(session, content())
        assert session.state is SessionState.IDLE


async def test_weights_beside_an_operators_pipeline_are_found_by_search_path(app: Application) -> None:
    session = await app.loaded()
    place = app.source.root / "pipeline" / "given.safetensors"
    place.parent.mkdir()
    place.write_bytes(b"weights of the operator")
    loaded = await app.pipelines.load_weights(session, "pipeline/given.pt", strict=True)
    assert loaded.name == "pipeline/given.safetensors"
    assert app.runtime.worker.weights == b"weights of the operator"
    again = await app.pipelines.load_weights(session, loaded.name, strict=False)
    assert again.report.missing == ("detector.bias",)


async def test_a_session_that_lost_its_worker_loads_again(app: Application) -> None:
    session = await app.loaded()
    app.runtime.worker.crash()
    assert session.state is SessionState.FAILED
    await app.pipelines.load_bytes(session, content())
    assert session.state is SessionState.READY
    assert session.failure is None
    assert len(app.runtime.workers) == 2


async def test_a_worker_that_ends_with_its_session_is_not_lost(app: Application) -> None:
    session = await app.loaded()
    session.enter(SessionState.CLOSING)
    app.runtime.worker.crash()
    assert session.state is SessionState.CLOSING


@pytest.mark.parametrize("call", ["start_worker", "load_pipeline"])
async def test_a_session_that_closes_while_it_loads_keeps_no_worker(app: Application, call: str) -> None:
    session = app.session()
    event = await paused(app, call)
    loading = asyncio.create_task(app.pipelines.load_bytes(session, content()))
    await app.runtime.reached(call)
    await app.sessions.close(OWNER, session.session_id)
    event.set()
    with pytest.raises(Failure) as caught:
        await loading
    assert caught.value.reason is Reason.SESSION_CLOSING
    assert all(worker.closed for worker in app.runtime.workers)


async def test_a_pipeline_that_is_replaced_while_the_session_closes_is_told_so(app: Application) -> None:
    session = await app.loaded()
    event = await paused(app, "load_pipeline")
    loading = asyncio.create_task(app.pipelines.load_bytes(session, content()))
    while not app.runtime.met.empty():
        app.runtime.met.get_nowait()
    await app.runtime.reached("load_pipeline")
    await app.sessions.close(OWNER, session.session_id)
    event.set()
    with pytest.raises(Failure) as caught:
        await loading
    assert caught.value.reason is Reason.SESSION_CLOSING


async def test_a_load_that_is_cancelled_leaves_the_session_as_it_was(app: Application) -> None:
    session = app.session()
    await paused(app, "load_pipeline")
    loading = asyncio.create_task(app.pipelines.load_bytes(session, content()))
    await app.runtime.reached("load_pipeline")
    assert session.state is SessionState.LOADING
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    assert session.state is SessionState.IDLE
    assert app.runtime.worker.closed


async def test_paths_in_parameters_are_confined_for_the_worker_and_kept_for_the_file(
    app: Application, tmp_path: Path
) -> None:
    session = app.session()
    await app.pipelines.load_bytes(session, with_params(output_dir="pictures"))
    assert app.runtime.worker.pipeline is not None
    assert app.runtime.worker.pipeline.nodes[0].params["output_dir"] == str(tmp_path / "artifacts" / "pictures")
    assert session.pipeline is not None
    assert session.pipeline.config.nodes[0].params["output_dir"] == "pictures"


@pytest.mark.parametrize("value", ["../up", "/etc", 5])
async def test_a_path_parameter_that_leaves_the_area_is_refused(app: Application, value: object) -> None:
    with pytest.raises(Failure) as caught:
        await app.pipelines.load_bytes(app.session(), with_params(output_dir=value))
    assert caught.value.reason is Reason.PATH_INVALID
    assert app.runtime.workers == []


async def test_what_the_client_says_about_a_pipeline_wins_over_what_it_has(app: Application, tmp_path: Path) -> None:
    session = await app.loaded()
    saved = await app.pipelines.save(session, "a.yaml", PipelineMetadata(description="new", tags=("x",)))
    read = app.source.read_pipeline((tmp_path / "artifacts" / saved.pipeline_path).read_bytes()).metadata
    assert (read.name, read.description, read.tags) == ("small", "new", ("x",))
    assert read.created
    again = await app.pipelines.save(session, "a")
    assert again == saved
    with pytest.raises(Failure) as caught:
        await app.pipelines.save(session, "a", must_not_exist=True)
    assert caught.value.reason is Reason.ARTIFACT_EXISTS


async def test_weights_that_were_loaded_from_a_file_are_those_a_trainrun_refers_to(app: Application) -> None:
    session = await app.loaded()
    saved = await app.pipelines.save(session, "a")
    assert session.saved_weights == saved.weights_path
    await app.pipelines.load_weights(session, b"weights of a client", strict=True)
    assert session.saved_weights is None
    loaded = await app.pipelines.load_weights(session, "a.pt", strict=True)
    assert loaded.name == saved.weights_path
    assert session.saved_weights == saved.weights_path


async def test_weights_that_are_not_there_are_not_found(app: Application) -> None:
    session = await app.loaded()
    with pytest.raises(Failure) as caught:
        await app.pipelines.load_weights(session, "missing", strict=True)
    assert caught.value.reason is Reason.ARTIFACT_NOT_FOUND


async def test_a_load_that_is_cancelled_while_the_session_closes_ends_as_cancelled(app: Application) -> None:
    session = app.session()
    await paused(app, "load_pipeline")
    loading = asyncio.create_task(app.pipelines.load_bytes(session, content()))
    await app.runtime.reached("load_pipeline")
    await app.sessions.close(OWNER, session.session_id)
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    assert app.runtime.worker.closed
