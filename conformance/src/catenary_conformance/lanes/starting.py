"""Starts lanes, shares the cases out, and hears what comes of them."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import signal
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Protocol, Self

import pytest

from catenary_conformance.lanes.dealing import Dealer
from catenary_conformance.lanes.lane import serve
from catenary_conformance.lanes.messages import Began, Broken, Collected, Ended, Finished, Go, Message, Ready

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from types import FrameType, TracebackType

    from catenary_conformance.findings import Findings
    from catenary_conformance.lanes.messages import Group
    from catenary_conformance.verdict import CaseResult

_GOODBYE_SECONDS = 10.0
"""How long a lane that has said its last word may take to end."""


class Listener(Protocol):
    """Hears how a run goes."""

    def counted(self, total: int) -> None:
        """There are so many cases."""

    def began(self, name: str) -> None:
        """A case has begun."""

    def ended(self, result: CaseResult) -> None:
        """A case has ended."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the lanes ended.

    Attributes:
        status: the exit status of pytest that says most.
        findings: of each lane that found something out.
        unreachable: why the target cannot be reached; empty when it can.
        error: why the suite itself failed; empty when it did not.
    """

    status: int
    findings: tuple[Findings, ...]
    unreachable: str
    error: str


class Lanes:
    """Lanes; within a `with` block. They prepare themselves from its beginning, and run the cases with `run`."""

    def __init__(self, count: int) -> None:
        context = _context()
        self._processes: list[Any] = []
        self._connections: list[Connection] = []
        former = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a key pressed at the terminal is this process's to hear
        try:
            for number in range(count):
                ours, theirs = context.Pipe()
                process = context.Process(target=serve, args=(theirs,), name=f"lane {number}")
                process.start()
                theirs.close()
                self._processes.append(process)
                self._connections.append(ours)
        finally:
            signal.signal(signal.SIGINT, former)

    def __enter__(self) -> Self:
        """The lanes themselves."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what still runs."""
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.join(_GOODBYE_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()

    def run(self, arguments: Sequence[Sequence[str]], listener: Listener) -> Outcome:
        """Run the cases; an interrupt has every lane remove what it made before this returns.

        Args:
            arguments: options of the suite's plugin for each lane.
            listener: hears how it goes.
        """
        hearing = _Hearing(self._connections, listener)
        for connection, each in zip(self._connections, arguments, strict=True):
            _tell(connection, Go(tuple(each)))
        with _interrupts() as interrupts:
            while hearing.going_on:
                if hearing.hear(interrupts):
                    for process in self._processes:
                        process.terminate()
        return hearing.outcome()


def _context() -> Any:  # noqa: ANN401 - a context of a kind that the system has
    """How processes are started: forked from one that has the suite in memory, where the system can do that."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["catenary_conformance.lanes.preloaded"])
    return context


@contextlib.contextmanager
def _interrupts() -> Iterator[Connection]:
    """Something that can be waited for beside the lanes: it has a message when this process is to stop."""
    heard, told = multiprocessing.Pipe(duplex=False)

    def tell(_number: int, _frame: FrameType | None) -> None:
        told.send(None)

    former = {each: signal.signal(each, tell) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield heard
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        told.close()
        heard.close()


class _Hearing:
    """What the lanes have said so far."""

    def __init__(self, connections: Sequence[Connection], listener: Listener) -> None:
        self._lanes: dict[Any, int] = {connection: lane for lane, connection in enumerate(connections)}
        self._connections = connections
        self._listener = listener
        self._dealer: Dealer | None = None
        self._results: list[list[CaseResult]] = [[] for _ in connections]
        self._finished: dict[int, Finished] = {}
        self._errors: list[str] = []
        self.interrupted = False

    @property
    def going_on(self) -> bool:
        """Whether a lane may still say something."""
        return bool(self._lanes)

    def hear(self, interrupts: Connection) -> bool:
        """Wait until lanes say something, and act on it; returns whether an interrupt has come."""
        interrupted = False
        connections: Any = wait([*self._lanes, interrupts])
        for connection in connections:
            try:
                message = connection.recv()
            except (EOFError, OSError):
                self._left(connection)
                continue
            if connection is interrupts:
                interrupted = self.interrupted = True
            else:
                self._act(self._lanes[connection], message)
        return interrupted

    def outcome(self) -> Outcome:
        """How all of it ended."""
        ends = [self._finished[lane] for lane in sorted(self._finished)]
        found = tuple(
            dataclasses.replace(end.findings, cases=tuple(self._results[lane]))
            for lane, end in sorted(self._finished.items())
            if end.findings is not None
        )
        interrupted = pytest.ExitCode.INTERRUPTED if self.interrupted else pytest.ExitCode.OK
        return Outcome(
            status=max([int(interrupted), *(end.status for end in ends)]),
            findings=found,
            unreachable=next((end.unreachable for end in ends if end.unreachable), ""),
            error="\n".join(dict.fromkeys(self._errors)),
        )

    def _act(self, lane: int, message: Message) -> None:
        match message:
            case Ended(result):
                self._results[lane].append(result)
                self._listener.ended(result)
            case Began(name):
                self._listener.began(name)
            case Collected(groups):
                self._collected(groups)
            case Ready() if self._dealer is not None:
                self._deal(self._dealer.asked(lane))
            case Broken(text):
                self._errors.append(text)
            case Finished():
                self._finished[lane] = message

    def _collected(self, groups: Sequence[Group]) -> None:
        if self._dealer is None:
            self._dealer = Dealer(groups, len(self._connections))
            self._listener.counted(sum(each.end - each.start for each in groups))

    def _left(self, connection: object) -> None:
        lane = self._lanes.pop(connection)
        if lane not in self._finished and not self.interrupted:
            self._errors.append(f"the process of lane {lane} died")
        if self._dealer is not None:
            self._deal(self._dealer.left(lane))

    def _deal(self, dealt: Iterable[tuple[int, Group | None]]) -> None:
        for lane, group in dealt:
            _tell(self._connections[lane], group)


def _tell(connection: Connection, message: object) -> None:
    with contextlib.suppress(OSError):  # a lane that is gone is noticed when it is heard
        connection.send(message)
