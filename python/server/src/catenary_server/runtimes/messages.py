"""What the front end and a worker say to each other. `call` is the number of the question an answer belongs to."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catenary_server.domain.checkpoint import Checkpoint
    from catenary_server.domain.failure import Failure
    from catenary_server.domain.progress import Progress

STARTED = 0
"""The call that a worker answers unasked: its engine is built."""

REPORT_WINDOW = 256
"""Reports a run may be ahead of whoever reads them; then it waits."""


class Method(enum.StrEnum):
    """The methods of `domain.runtime.Engine`; and two of our own.

    TRIM: the session rests, give up memory that is kept for speed. PING: say that you live.
    """

    CATALOG = "catalog"
    LOAD_PIPELINE = "load_pipeline"
    LOAD_PLUGIN = "load_plugin"
    LOAD_WEIGHTS = "load_weights"
    DUMP_WEIGHTS = "dump_weights"
    TRAIN = "train"
    EVALUATE = "evaluate"
    STOP_TRAINING = "stop_training"
    CONTROL = "control"
    SET_PROFILING = "set_profiling"
    PROFILE = "profile"
    INFER = "infer"
    TRIM = "trim"
    PING = "ping"


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """Front end to worker: do this."""

    call: int
    method: Method
    arguments: tuple[object, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Withdrawal:
    """Front end to worker: nobody waits for this call; skip it if it has not begun."""

    call: int


@dataclasses.dataclass(frozen=True, slots=True)
class Credit:
    """Front end to worker: so many more reports are welcome; None: all of them, nobody reads them any more."""

    call: int
    reports: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """Worker to front end: what the method returned."""

    call: int
    value: object


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """Worker to front end: how the run goes."""

    call: int
    progress: Progress | Checkpoint


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """Worker to front end: the method raised a failure, meant for the client."""

    call: int
    failure: Failure


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """Worker to front end: the method raised anything else: a bug, with its traceback for the log."""

    call: int
    method: str
    traceback: str


Final = Reply | Refusal | Fault
Answer = Report | Final
Message = Request | Withdrawal | Credit | Answer
