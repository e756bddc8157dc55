"""What was sent to the target and what came back, written down as it happens.

Every call of a case is recorded, so that a failure can be shown and played again, and so that the matrix of RPCs and
status codes fills itself. Of a case that tries many examples, the calls of the last one are kept: the one to which a
failure was shrunk.
"""

from __future__ import annotations

import collections
import dataclasses
import threading
import time
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc

    from catenary_conformance.answer import Answer

EventKind = Literal["sent", "received", "half_close", "cancel", "drop", "end"]
SECRET_KEYS = frozenset({"authorization", "cookie"})
REDACTED = "redacted"


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened on a call."""

    offset: float
    """Seconds since the call began."""
    kind: EventKind
    data: bytes = b""
    """The message that was sent or received."""
    answer: Answer | None = None
    """How the call ended; with `end` only."""


@dataclasses.dataclass(slots=True)
class CallRecord:
    """One call. Safe to write from several threads: a list's append is atomic."""

    path: str
    deadline: float
    """Seconds."""
    metadata: tuple[tuple[str, str | bytes], ...]
    """As sent, credentials redacted."""
    began: float = dataclasses.field(default_factory=time.monotonic)
    events: list[Event] = dataclasses.field(default_factory=list)

    def note(self, kind: EventKind, data: bytes = b"", answer: Answer | None = None) -> None:
        """Write down that something happened now."""
        self.events.append(Event(time.monotonic() - self.began, kind, data, answer))

    @property
    def answer(self) -> Answer | None:
        """How the call ended; None while it lasts."""
        return next((event.answer for event in reversed(self.events) if event.kind == "end"), None)


class Recorder:
    """The calls of a case, and the counts of the run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[CallRecord] = []
        self._case = ""
        self._examples_from: int | None = None
        self.codes: collections.Counter[tuple[str, grpc.StatusCode]] = collections.Counter()
        """How often an RPC answered a code, in the whole run."""
        self.touched: dict[str, set[str]] = {}
        """Paths that a case called, by the case."""
        self.answers: list[Answer] = []
        """Ends of calls of the present case, of all its examples."""

    def begin_case(self, name: str) -> None:
        """Start a new case: forget the calls of the one before."""
        with self._lock:
            self._case = name
            self._calls, self._examples_from, self.answers = [], None, []
            self.touched.setdefault(name, set())

    def recall(self, calls: Sequence[CallRecord]) -> None:
        """Count calls that were made for several cases among those of the present one, before its own."""
        with self._lock:
            known = {id(each) for each in self._calls}
            self._calls[:0] = [each for each in calls if id(each) not in known]

    def begin_example(self) -> None:
        """Start another example of the case: forget the calls of the one before, but not those that prepared all."""
        with self._lock:
            if self._examples_from is None:
                self._examples_from = len(self._calls)
            del self._calls[self._examples_from :]

    def begin_call(self, path: str, deadline: float, metadata: Sequence[tuple[str, str | bytes]]) -> CallRecord:
        """Start to record a call."""
        shown = tuple((key, REDACTED if key.lower() in SECRET_KEYS else value) for key, value in metadata)
        record = CallRecord(path, deadline, shown)
        with self._lock:
            self._calls.append(record)
            self.touched.setdefault(self._case, set()).add(path)
        return record

    def end_call(self, record: CallRecord, answer: Answer, *, caused: bool) -> None:
        """Write down how a call ended.

        Args:
            record: the call.
            answer: how it ended.
            caused: whether the suite itself ended it, so that the code says nothing about the target.
        """
        record.note("end", answer=answer)
        if caused:
            return
        with self._lock:
            self.codes[record.path, answer.code] += 1
            self.answers.append(answer)

    @property
    def calls(self) -> tuple[CallRecord, ...]:
        """Calls of the present case, of its last example only, in the order in which they began."""
        with self._lock:
            return tuple(self._calls)
