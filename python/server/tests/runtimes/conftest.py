from __future__ import annotations

import os
import select
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from catenary_server.domain.pipeline import NodeConfig, PipelineConfig, PipelineMetadata
from catenary_server.domain.tensor import Tensor
from catenary_server.domain.training import Phase, TrainerConfig, TrainingConfig, TrainingJob, TrainRunConfig
from catenary_server.runtimes import ProcessRuntime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from catenary_server.domain.failure import Failure
    from catenary_server.runtimes.process_worker import ProcessWorker

ENGINES = Path(__file__).parent / "engines"
ENGINE = "small_engine:build_engine"
DEADLINE = 30.0


@pytest.fixture(autouse=True)
def engines_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ENGINES)


@pytest.fixture
async def runtime() -> AsyncIterator[ProcessRuntime]:
    runtime = ProcessRuntime(engine=ENGINE, preload=())
    await runtime.start()
    yield runtime
    await runtime.close()


@pytest.fixture
def losses() -> list[Failure]:
    return []


@pytest.fixture
async def worker(runtime: ProcessRuntime, losses: list[Failure]) -> ProcessWorker:
    return await runtime.start_worker(device="cpu", on_lost=losses.append)


@pytest.fixture
def filled() -> Callable[[int, int], Tensor]:
    def make(nbytes: int, value: int) -> Tensor:
        return Tensor.of(np.full(nbytes, value, np.uint8))

    return make


@pytest.fixture
def pipeline() -> Callable[[str], PipelineConfig]:
    def make(name: str) -> PipelineConfig:
        node = NodeConfig(name="echo", class_name="Echo", params={"gain": [1.5, {"deep": None}]})
        return PipelineConfig(metadata=PipelineMetadata(name=name), nodes=(node,))

    return make


@pytest.fixture
def job() -> Callable[..., TrainingJob]:
    def make(epochs: int = 3, name: str = "short") -> TrainingJob:
        training = TrainingConfig(trainer=TrainerConfig(max_epochs=epochs))
        return TrainingJob(phase=Phase.GRADIENT, config=TrainRunConfig(name=name, training=training))

    return make


@pytest.fixture
def gone() -> Callable[[list[int]], bool]:
    """Whether all processes end before a deadline. Their descriptors are opened when the list is given."""

    def wait(process_ids: list[int]) -> bool:
        poll = select.poll()
        open_descriptors = set()
        for process_id in process_ids:
            try:
                descriptor = os.pidfd_open(process_id)
            except ProcessLookupError:
                continue
            open_descriptors.add(descriptor)
            poll.register(descriptor, select.POLLIN)
        while open_descriptors and (ready := poll.poll(DEADLINE * 1000)):
            for descriptor, _ in ready:
                poll.unregister(descriptor)
                os.close(descriptor)
                open_descriptors.discard(descriptor)
        return not open_descriptors

    return wait
