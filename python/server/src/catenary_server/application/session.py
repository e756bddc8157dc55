"""One client's session: what it has loaded, what it is doing, and what it may do next."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from catenary_server.domain.failure import Failure, Reason, Resource, Violation
from catenary_server.domain.session import LEGAL, SessionState

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping
    from pathlib import Path

    from catenary_server.application.runs import Run
    from catenary_server.domain.graph import Graph
    from catenary_server.domain.node import NodeSpec
    from catenary_server.domain.pipeline import PipelineConfig
    from catenary_server.domain.plugin import Plugin
    from catenary_server.domain.runtime import Worker
    from catenary_server.domain.shared_memory import Segment
    from catenary_server.domain.storage import FileArea
    from catenary_server.domain.training import TrainRunConfig

T = TypeVar("T")

KEPT_RUNS = 16
"""Runs of a session that can still be watched or joined."""


@dataclasses.dataclass(frozen=True, slots=True)
class LoadedPipeline:
    """A pipeline that is built in the session's worker."""

    config: PipelineConfig
    graph: Graph
    worker: Worker


@dataclasses.dataclass(eq=False, kw_only=True)
class Session:
    """State of one session. Times are seconds of the monotonic clock, `create_time` is Unix seconds."""

    session_id: str
    principal: str
    area: FileArea
    search_paths: tuple[Path, ...]
    labels: Mapping[str, str]
    device: str
    idle_timeout: float
    create_time: float
    last_used: float
    state: SessionState = SessionState.IDLE
    failure: Failure | None = None
    pipeline: LoadedPipeline | None = None
    trainrun: TrainRunConfig | None = None
    runs: list[Run] = dataclasses.field(default_factory=list)
    """The last phases that were trained, oldest first."""
    evaluation: Run | None = None
    plugins: dict[str, Plugin] = dataclasses.field(default_factory=dict)
    """Plugins that the session has loaded, by name."""
    saved_weights: str | None = None
    saved_pipeline: str | None = None
    shared_bytes: int = 0
    """Length of its shared memory, also while that is being made."""
    making_segment: asyncio.Task[Segment] | None = None
    """Makes its shared memory; None if it has none."""
    change: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock)
    """Held while the pipeline or its weights are being replaced."""
    closing: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    """Set once the session is being closed."""

    @property
    def run(self) -> Run | None:
        """The newest phase of training; None before the first."""
        return self.runs[-1] if self.runs else None

    @property
    def working(self) -> Run | None:
        """The phase or evaluation that goes on now."""
        return next((run for run in (self.run, self.evaluation) if run is not None and not run.finished), None)

    @property
    def segment(self) -> Segment | None:
        """Its shared memory; None without, and until it is made."""
        making = self.making_segment
        if making is None or not making.done() or making.cancelled() or making.exception() is not None:
            return None
        return making.result()

    def plugin_nodes(self) -> dict[str, NodeSpec]:
        """Node types of the loaded plugins, by class name."""
        return {name: spec for plugin in self.plugins.values() for name, spec in plugin.nodes.items()}

    def remember(self, run: Run) -> None:
        """Make a run the newest; runs that are long over are forgotten."""
        self.runs = [*self.runs[1 - KEPT_RUNS :], run]

    def forget(self, run: Run) -> None:
        """Take back a run that could not start."""
        self.runs = [each for each in self.runs if each is not run]

    def enter(self, state: SessionState) -> None:
        """Go to another state; a transition that the contract does not allow is a bug of ours."""
        if state is self.state:
            return
        if state not in LEGAL[self.state]:
            message = f"session state {self.state} cannot become {state}"
            raise AssertionError(message)
        self.state = state
        if state is SessionState.CLOSING:
            self.closing.set()

    def require_pipeline(self) -> LoadedPipeline:
        """The pipeline, ready for use.

        Raises:
            Failure: STATE_INVALID without one; WORKER_CRASHED if the worker died; SESSION_CLOSING.
        """
        if self.state is SessionState.CLOSING:
            raise self.closing_failure()
        if self.pipeline is None:
            if self.failure is not None:
                raise self.failure
            raise Failure(
                Reason.STATE_INVALID,
                "the session has no pipeline; call LoadPipeline or SetTrainRunConfig first",
                violations=(Violation("pipeline", "no pipeline is loaded"),),
            )
        return self.pipeline

    def require_idle(self) -> None:
        """Refuse what may not happen while a run goes on.

        Raises:
            Failure: SESSION_BUSY during training, SESSION_CLOSING.
        """
        if self.state is SessionState.CLOSING:
            raise self.closing_failure()
        if self.working is not None:
            raise Failure(
                Reason.SESSION_BUSY,
                "the session is training or evaluating; wait for the end of that or call StopTrain",
                retry_after=1.0,
            )

    def closing_failure(self) -> Failure:
        """What a call gets that the closing of the session overtakes."""
        return Failure(
            Reason.SESSION_CLOSING, "the session is being closed", resource=Resource("session", self.session_id)
        )

    async def closed(self) -> NoReturn:
        """Wait until the session is being closed.

        Raises:
            Failure: SESSION_CLOSING, then.
        """
        await self.closing.wait()
        raise self.closing_failure()

    async def unless_closed(self, work: Coroutine[Any, Any, T]) -> T:
        """Do work that waits for the client, until the session is being closed.

        Raises:
            Failure: SESSION_CLOSING; what the work raises.
        """
        working: asyncio.Task[T] = asyncio.create_task(work)
        closing: asyncio.Task[NoReturn] = asyncio.create_task(self.closed())
        tasks: tuple[asyncio.Task[Any], ...] = (working, closing)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else closing.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @contextlib.contextmanager
    def engaged(self) -> Iterator[LoadedPipeline]:
        """Use the pipeline; a worker that goes because the session closes is told as that, not as a crash."""
        pipeline = self.require_pipeline()
        try:
            yield pipeline
        except Failure as failure:
            if failure.reason is Reason.WORKER_CRASHED and self.state is SessionState.CLOSING:
                raise self.closing_failure() from failure
            raise
