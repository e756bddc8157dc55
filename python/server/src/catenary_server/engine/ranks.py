"""Several processes that share each batch of a gradient run (distributed data parallel).

The session's worker is the first of them and the only one that reports, publishes, keeps checkpoints and hears
commands; the others are started for the run and end with it. They meet through a file, so no port is opened for that,
and with gloo they talk over the loopback interface only.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import datetime as dt
import multiprocessing
import multiprocessing.connection
import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch import distributed

from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.engine.scene_batches import Share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from catenary_server.domain.pipeline import PipelineConfig
    from catenary_server.domain.training import TrainRunConfig
    from catenary_server.nodes.node import Node

_PR_SET_PDEATHSIG = 1
_NOTICE_SECONDS = 0.5
_PATIENCE = dt.timedelta(days=30)
"""A paused run lets its processes wait at the next exchange for as long as the pause takes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RankTask:
    """What a process needs to take part."""

    pipeline: PipelineConfig
    types: Mapping[str, type[Node[Any]]]
    weights: bytes
    config: TrainRunConfig
    checkpoint: bytes | None
    devices: tuple[str, ...]
    meeting: str
    rank: int = 0

    @property
    def share(self) -> Share:
        """Which part of each batch is this process's."""
        return Share(self.rank, len(self.devices))


def choose_devices(config: TrainRunConfig, device: torch.device) -> tuple[torch.device, ...]:
    """Where the processes of a run compute; the first is the session's own device.

    Raises:
        Failure: CONFIG_INVALID if the machine has fewer than are asked for.
    """
    settings = config.training.trainer
    wanted = settings.devices
    if settings.accelerator == "gpu" and device.type == "cpu":
        raise _invalid("accelerator", "the session's device is the CPU: make the session on an accelerator")
    if settings.accelerator == "cpu" or (device.type == "cpu" and wanted == 1):
        # Of the process: the thread that trains may have left some cores to others, and ranks can share cores.
        there, found = len(os.sched_getaffinity(os.getpid())), (torch.device("cpu"),) * wanted
    else:
        there = torch.cuda.device_count() if torch.cuda.is_available() else 0
        others = [torch.device("cuda", index) for index in range(there) if index != device.index]
        found = (device, *others)[:wanted]
    if wanted > there:
        kind = "processor cores" if settings.accelerator == "cpu" else "accelerators"
        raise _invalid(
            "devices",
            f"{wanted} are asked for, this machine has {there} {kind}; `accelerator: cpu` trains in several processes "
            "without accelerators",
        )
    if wanted > 1 and config.training.on_non_finite_loss == "skip":
        raise _invalid("devices", "one of several devices cannot leave a step out: say `on_non_finite_loss: stop`")
    return found


def strategy_of(share: Share, devices: tuple[torch.device, ...]) -> DDPStrategy:
    """Lightning's strategy for one of several processes, which are started and joined here."""
    return DDPStrategy(
        parallel_devices=list(devices),
        cluster_environment=_Started(share),
        process_group_backend=_backend(devices[0]),
        find_unused_parameters=True,  # a loss without ground truth in a batch leaves its weights out
    )


@contextlib.contextmanager
def helped(task: RankTask, at_boundary: Callable[[], None]) -> Iterator[None]:
    """Take part as the first process, while the others run; they are gone when this ends, however it does.

    Args:
        task: what all take part in.
        at_boundary: called now and then while the others start, so that the run hears a stop.

    Raises:
        Failure: WORKER_CRASHED if one of them ends before the run does, and what `at_boundary` raises.
    """
    with tempfile.TemporaryDirectory(prefix="catenary-ranks-") as folder, contextlib.ExitStack() as stack:
        task = dataclasses.replace(task, meeting=str(Path(folder) / "meeting"))
        helpers = [_start(dataclasses.replace(task, rank=rank), stack) for rank in range(1, len(task.devices))]
        for helper in helpers:
            helper.wait_ready(at_boundary)
        stack.enter_context(joined(task))
        try:
            yield
        except RuntimeError as error:
            # What the exchange raises when another process is gone; the system may tell of that a little later.
            if multiprocessing.connection.wait([helper.process.sentinel for helper in helpers], _NOTICE_SECONDS):
                raise _lost() from error
            raise


@contextlib.contextmanager
def joined(task: RankTask) -> Iterator[None]:
    """Be one of the processes of a run."""
    if task.devices[0] == "cpu":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    share = task.share
    distributed.init_process_group(
        _backend(torch.device(task.devices[0])),
        init_method=Path(task.meeting).as_uri(),
        rank=share.rank,
        world_size=share.of,
        timeout=_PATIENCE,
    )
    try:
        yield
    finally:
        distributed.destroy_process_group()


def die_with_worker() -> None:
    """In a process of a run: end when the worker does, and leave Ctrl+C to the front end."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@dataclasses.dataclass(frozen=True)
class _Helper:
    process: SpawnProcess
    ready: Connection

    def wait_ready(self, at_boundary: Callable[[], None]) -> None:
        """Wait until it is about to join; whoever joins waits for all, so one that cannot must be noticed before."""
        while not multiprocessing.connection.wait([self.ready, self.process.sentinel], _NOTICE_SECONDS):
            at_boundary()
        try:
            self.ready.recv_bytes()
        except EOFError as error:
            raise _lost() from error

    def end(self) -> None:
        """The first process has all that is wanted; whatever a helper still does is for nothing."""
        self.process.kill()
        self.process.join()
        self.process.close()
        self.ready.close()


def _start(task: RankTask, stack: contextlib.ExitStack) -> _Helper:
    # Spawned, not forked: this process has threads, and perhaps CUDA, that a copy could not use.
    from catenary_server.engine.gradient_phase import take_part  # noqa: PLC0415 - that module starts from this one

    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=take_part, args=(task, theirs), daemon=True, name=f"catenary-rank-{task.rank}")
    process.start()
    theirs.close()
    helper = _Helper(process, ours)
    stack.callback(helper.end)
    return helper


def _lost() -> Failure:
    return Failure(Reason.WORKER_CRASHED, "a process that shared the run ended: train again, or on fewer devices")


def _backend(device: torch.device) -> str:
    return "gloo" if device.type == "cpu" else "nccl"


def _invalid(key: str, description: str) -> Failure:
    subject = f"training.trainer.{key}"
    return Failure(Reason.CONFIG_INVALID, f"{subject}: {description}", violations=(Violation(subject, description),))


class _Started(ClusterEnvironment):
    """Tells Lightning which of the processes, all of this machine and running already, this one is."""

    def __init__(self, share: Share) -> None:
        super().__init__()
        self._share = share

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return "127.0.0.1"

    @property
    def main_port(self) -> int:
        return 0

    @staticmethod
    def detect() -> bool:
        return False

    def world_size(self) -> int:
        return self._share.of

    def set_world_size(self, size: int) -> None:
        """It is settled."""

    def global_rank(self) -> int:
        return self._share.rank

    def set_global_rank(self, rank: int) -> None:
        """It is settled."""

    def local_rank(self) -> int:
        return self._share.rank

    def node_rank(self) -> int:
        return 0
