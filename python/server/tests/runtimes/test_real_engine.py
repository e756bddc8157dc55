"""The application over real workers with the real engine: steered runs, and memory that runs out."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from fake_plugins import FakePlugins
from trainruns import small, with_training

from catenary_server.application.control import Control
from catenary_server.application.pipelines import Pipelines
from catenary_server.application.plugins import Plugins
from catenary_server.application.runs import TrainRequest
from catenary_server.application.sessions import NewSession, SessionLimits, Sessions
from catenary_server.application.training import Training
from catenary_server.configuration.source import HydraConfigSource
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.pipeline import Connection, NodeConfig, PipelineConfig
from catenary_server.domain.tensor import Tensor
from catenary_server.domain.training import Phase, TrainStatus
from catenary_server.runtimes import ProcessRuntime
from catenary_server.storage.local import LocalStorage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from catenary_server.application.session import Session
    from catenary_server.domain.progress import Progress
    from catenary_server.domain.runtime import Catalog

pytestmark = pytest.mark.slow
CONFIGS = Path(__file__).parents[4] / "configs"
MEBIBYTE = 1 << 20


@pytest.fixture
async def real() -> AsyncIterator[tuple[ProcessRuntime, Catalog]]:
    """A runtime of the real engine, and what it can do."""
    runtime = ProcessRuntime()
    yield runtime, await runtime.start()
    await runtime.close()


async def follow(training: Training, session: Session, phase: Phase, seen: list[Progress]) -> None:
    async for event in training.train(session, TrainRequest(phase=phase)):
        seen.append(event.progress)  # noqa: PERF401 - others look at the list meanwhile


async def test_a_run_in_a_real_worker_is_paused_changed_resumed_and_stopped(
    real: tuple[ProcessRuntime, Catalog], tmp_path: Path
) -> None:
    runtime, catalog = real
    configs = HydraConfigSource((CONFIGS,))
    storage = LocalStorage(tmp_path / "artifacts", [])
    sessions = Sessions(configs=configs, storage=storage, limits=SessionLimits(), devices=["cpu"])
    plugins = Plugins(source=FakePlugins(), runtime=runtime, catalog=catalog)
    pipelines = Pipelines(runtime=runtime, plugins=plugins, configs=configs)
    training, control = Training(pipelines=pipelines, configs=configs), Control()
    session = sessions.create("owner", NewSession())
    config = with_training(small("deep_svdd"), max_epochs=100_000)
    await training.apply(session, config)
    await follow(training, session, Phase.STATISTICAL, [])
    seen: list[Progress] = []
    following = asyncio.create_task(follow(training, session, Phase.GRADIENT, seen))
    await _until_running(session)
    paused = await control.pause(session)
    assert (paused.old, paused.new) == (TrainStatus.IN_PROGRESS, TrainStatus.PAUSED)
    assert session.run is not None
    assert session.run.latest is not None
    assert session.run.latest.status is TrainStatus.PAUSED
    assert session.run.latest.global_step == paused.step
    rate = await control.set_learning_rate(session, 0.001)
    size = await control.set_batch_size(session, 1)
    assert (rate.step, rate.old, rate.new) == (paused.step, config.training.optimizer.lr, 0.001)
    assert (size.step, size.old, size.new) == (paused.step, 3, 1)
    resumed = await control.resume(session)
    assert (resumed.step, resumed.new) == (paused.step, TrainStatus.IN_PROGRESS)
    await control.pause(session)
    stopped = await control.stop(session)
    assert (stopped.old, stopped.new) == (TrainStatus.PAUSED, TrainStatus.CANCELLED)
    await following
    later = [event for event in seen if event.global_step > paused.step]
    assert all(event.learning_rate == 0.001 for event in later)
    assert [event.status for event in seen][-1] is TrainStatus.CANCELLED
    steps = [event.global_step for event in seen]
    assert steps == sorted(steps)
    await sessions.close_all()


async def _until_running(session: Session) -> None:
    while session.run is None or session.run.phase is not Phase.GRADIENT:  # noqa: ASYNC110 - a task starts it
        await asyncio.sleep(0)
    await session.run.begun()


async def test_memory_that_runs_out_takes_one_call_and_not_the_session(real: tuple[ProcessRuntime, Catalog]) -> None:
    runtime, _ = real
    lost: list[Failure] = []
    worker = await runtime.start_worker(device="cpu", on_lost=lost.append)
    await worker.load_pipeline(
        PipelineConfig(
            nodes=(
                NodeConfig(name="scene", class_name="SceneInput"),
                NodeConfig(name="unit", class_name="PixelUnitNormalizer"),
            ),
            connections=(Connection(source="scene.outputs.cube", target="unit.inputs.data"),),
        )
    )
    small_cube = {"cube": Tensor.of(np.ones((1, 4, 4, 16), np.float32))}
    before = await worker.infer(small_cube, ())
    used = _private_bytes(worker.process_id)
    resource.prlimit(worker.process_id, resource.RLIMIT_DATA, (used + 64 * MEBIBYTE, used + 64 * MEBIBYTE))
    with pytest.raises(Failure) as caught:
        await worker.infer({"cube": Tensor.of(np.ones((1, 1024, 1024, 32), np.float32))}, ())
    assert caught.value.reason is Reason.GPU_OUT_OF_MEMORY
    assert lost == []
    after = await worker.infer(small_cube, ())
    np.testing.assert_array_equal(after.outputs["unit.normalized"].array(), before.outputs["unit.normalized"].array())
    await worker.close()


def _private_bytes(process_id: int) -> int:
    status = Path(f"/proc/{process_id}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData:"))
