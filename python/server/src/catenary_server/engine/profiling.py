"""Measures how long the nodes of a pipeline take, by stage; next to nothing while it is off."""

from __future__ import annotations

import collections
import contextlib
import math
import statistics
import threading
import time
from typing import TYPE_CHECKING

import torch

from catenary_server.domain.profiling import NodeTimes
from catenary_server.domain.training import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from catenary_server.domain.profiling import ProfilingChange

RECENT_CALLS = 4096
"""Calls that a median is taken over: the most recent ones."""


class NodeProfiler:
    """The times of one pipeline, which all its copies share.

    Training and inference run in threads of their own and measure at once: each thread has its stage.
    """

    def __init__(self) -> None:
        self.enabled = False
        self.device = torch.device("cpu")
        self._synchronize = False
        self._skip_first = 0
        self._skipped: collections.Counter[tuple[str, Stage]] = collections.Counter()
        self._times: dict[tuple[str, Stage], _Times] = {}
        self._lock = threading.Lock()
        self._thread = threading.local()

    def __deepcopy__(self, memo: dict[int, object]) -> NodeProfiler:
        """A copy of a pipeline is measured together with its original."""
        return self

    def change(self, change: ProfilingChange) -> bool:
        """Set what is measured; returns whether anything is.

        The calls to leave out are counted anew where the change says so, forgets, or turns the measuring on.
        """
        with self._lock:
            if change.reset:
                self._times.clear()
            if change.synchronize is not None:
                self._synchronize = change.synchronize
            if change.skip_first is not None:
                self._skip_first = change.skip_first
            if change.skip_first is not None or change.reset or (change.enabled and not self.enabled):
                self._skipped.clear()
            self.enabled = change.enabled
            return self.enabled

    @contextlib.contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """What this thread computes belongs to a stage."""
        before = self._current()
        self._thread.stage = stage
        try:
            yield
        finally:
            self._thread.stage = before

    @contextlib.contextmanager
    def measured(self, node: str) -> Iterator[None]:
        """Measure one call of a node; a call that raises is not counted."""
        self._settle()
        begun = time.perf_counter()
        yield
        self._settle()
        self._add(node, (time.perf_counter() - begun) * 1000)

    def summary(self, nodes: Iterable[str], stage: Stage | None = None) -> tuple[NodeTimes, ...]:
        """The times of these nodes in this order, each by stage; None: of all stages."""
        stages = tuple(Stage) if stage is None else (stage,)
        with self._lock:
            return tuple(
                self._times[node, each].summary(node, each)
                for node in nodes
                for each in stages
                if (node, each) in self._times
            )

    def _current(self) -> Stage:
        return getattr(self._thread, "stage", Stage.INFERENCE)

    def _settle(self) -> None:
        """An accelerator computes behind the program's back: without waiting, a time is that of asking for the work."""
        if self._synchronize and self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _add(self, node: str, milliseconds: float) -> None:
        key = node, self._current()
        with self._lock:
            if not self.enabled:
                return
            if self._skipped[key] < self._skip_first:
                self._skipped[key] += 1
                return
            self._times.setdefault(key, _Times()).add(milliseconds)


class _Times:
    """Running figures of one node in one stage (Welford 1962, for the deviation)."""

    def __init__(self) -> None:
        self._count = 0
        self._total = self._mean = self._squares = self._last = 0.0
        self._least, self._greatest = math.inf, 0.0
        self._recent: collections.deque[float] = collections.deque(maxlen=RECENT_CALLS)

    def add(self, value: float) -> None:
        """Take one call into account, in milliseconds."""
        self._count += 1
        difference = value - self._mean
        self._mean += difference / self._count
        self._squares += difference * (value - self._mean)
        self._total += value
        self._last = value
        self._least, self._greatest = min(self._least, value), max(self._greatest, value)
        self._recent.append(value)

    def summary(self, node: str, stage: Stage) -> NodeTimes:
        """The figures so far; the deviation is that of the calls themselves, not an estimate beyond them."""
        return NodeTimes(
            node=node,
            stage=stage,
            count=self._count,
            mean_ms=min(max(self._mean, self._least), self._greatest),
            median_ms=statistics.median(self._recent),
            std_ms=math.sqrt(self._squares / self._count),
            min_ms=self._least,
            max_ms=self._greatest,
            total_ms=self._total,
            last_ms=self._last,
        )
