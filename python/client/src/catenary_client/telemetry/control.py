"""Commands from viewers, obeyed by the training thread between two batches."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeAlias

from catenary.telemetry.v1 import command_pb2, training_pb2
from catenary.v1 import error_pb2

if TYPE_CHECKING:
    from collections.abc import Callable

    TrainingStatus: TypeAlias = training_pb2.TrainingStatus.ValueType
    CommandType: TypeAlias = command_pb2.CommandType.ValueType

_REMEMBERED: Final = 1024
_MESSAGE_CHARACTERS: Final = 128  # 512 bytes at four bytes each

_INVALID: Final = error_pb2.ERROR_REASON_COMMAND_INVALID
_EXPIRED: Final = error_pb2.ERROR_REASON_COMMAND_EXPIRED
_RUNNING: Final = training_pb2.TRAINING_STATUS_RUNNING
_PAUSED: Final = training_pb2.TRAINING_STATUS_PAUSED
_CANCELLED: Final = training_pb2.TRAINING_STATUS_CANCELLED


class Optimizer(Protocol):
    """What torch's optimisers have: the settings of groups of parameters."""

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """One dictionary for each group; `lr` is its learning rate."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """A number that a command may change.

    Attributes:
        read: gives the value now.
        write: takes the new value; raises ValueError, with a reason for people, to refuse it.
        minimum: least value; None when any is good.
        maximum: greatest value; None when any is good.
    """

    read: Callable[[], float]
    write: Callable[[float], None]
    minimum: float | None = None
    maximum: float | None = None

    @classmethod
    def learning_rate_of(
        cls, optimizer: Optimizer, *, minimum: float | None = None, maximum: float | None = None
    ) -> Self:
        """The learning rate of every parameter group of an optimiser; groups keep their ratio to the first one."""

        def read() -> float:
            return float(optimizer.param_groups[0]["lr"])

        def write(value: float) -> None:
            ratio = value / read() if read() else 0.0
            for place, group in enumerate(optimizer.param_groups):
                group["lr"] = group["lr"] * ratio if place and ratio else value

        return cls(read, write, minimum, maximum)

    def refusal(self, value: float) -> str:
        """Why a value cannot be set; empty when it can."""
        if not math.isfinite(value):
            return f"{value} is no finite number"
        if self.minimum is not None and value < self.minimum:
            return f"{value:g} is below the minimum {self.minimum:g}"
        if self.maximum is not None and value > self.maximum:
            return f"{value:g} is above the maximum {self.maximum:g}"
        return ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """What a training lets viewers do; the server refuses everything else."""

    pause: bool = True
    """Hold the training between two batches, and resume it."""
    stop: bool = True
    """End the training after a batch."""
    learning_rate: Setting | None = None
    """Change the learning rate."""
    batch_size: Setting | None = None
    """Change the batch size."""

    @classmethod
    def none(cls) -> Self:
        """Nothing: the training only reports."""
        return cls(pause=False, stop=False)

    def setting(self, kind: CommandType) -> Setting | None:
        """What a type of command changes; None for the others."""
        if kind == command_pb2.COMMAND_TYPE_CHANGE_LEARNING_RATE:
            return self.learning_rate
        return self.batch_size if kind == command_pb2.COMMAND_TYPE_ADJUST_BATCH_SIZE else None

    def allows(self, kind: CommandType) -> bool:
        """Whether the training obeys a type of command."""
        if kind in (command_pb2.COMMAND_TYPE_PAUSE_TRAINING, command_pb2.COMMAND_TYPE_RESUME_TRAINING):
            return self.pause
        if kind == command_pb2.COMMAND_TYPE_STOP_TRAINING:
            return self.stop
        return self.setting(kind) is not None

    def capabilities(self) -> list[command_pb2.CommandCapability]:
        """The declaration that goes with the registration."""
        declared = []
        for kind in command_pb2.CommandType.values():
            if self.allows(kind):
                setting = self.setting(kind)
                minimum, maximum = (None, None) if setting is None else (setting.minimum, setting.maximum)
                declared.append(command_pb2.CommandCapability(type=kind, minimum=minimum, maximum=maximum))
        return declared


class Voice(Protocol):
    """How the training answers."""

    def tell_result(self, result: command_pb2.CommandResult) -> None:
        """Say what became of a command."""
        ...

    def tell_status(self, status: TrainingStatus, message: str) -> None:
        """Say that the training paused, or goes on."""
        ...


class Control:
    """Commands on their way from the connection to the training thread.

    Attributes:
        waiting: whether a command waits; the only thing that a step looks at when there is none.
        stopped: why the training has to end; empty while it goes on.
    """

    def __init__(self, commands: Commands, voice: Voice) -> None:
        self.waiting = False
        self.stopped = ""
        self._commands = commands
        self._voice = voice
        self._paused = False
        self._closed = False
        self._changed = threading.Condition()
        self._queue: deque[tuple[command_pb2.ControlCommand, float]] = deque()
        self._known: deque[str] = deque(maxlen=_REMEMBERED)

    @property
    def paused(self) -> bool:
        """Whether the training is held."""
        return self._paused

    def offer(self, command: command_pb2.ControlCommand, seconds_left: float = math.inf) -> None:
        """Hand a command to the training thread; one that is known already has its effect only once.

        Args:
            command: as the server sent it.
            seconds_left: when it expires, from now.
        """
        with self._changed:
            if command.command_id:
                if command.command_id in self._known:
                    return
                self._known.append(command.command_id)
            self._queue.append((command, time.monotonic() + seconds_left))
            self.waiting = True
            self._changed.notify_all()

    def obey(self, step: int) -> None:
        """Carry out what waits, in the training thread; while the training is paused, wait for what comes.

        Args:
            step: optimiser steps done.
        """
        while (found := self._take()) is not None:
            command, deadline = found
            if time.monotonic() > deadline:
                self._refuse(command, _EXPIRED, "the command expired before the training reached the end of a batch")
            elif not self._commands.allows(command.type):
                self._refuse(command, _INVALID, "the training does not obey such commands")
            elif (setting := self._commands.setting(command.type)) is not None:
                self._change(command, setting, step)
            else:
                self._steer(command, step)

    def close(self) -> None:
        """The training ends: it is paused no longer, and what waits is refused."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            left, self._queue = self._queue, deque()
            self.waiting = False
        for command, _ in left:
            self._refuse(command, _EXPIRED, "the training ended before it could obey")

    def _take(self) -> tuple[command_pb2.ControlCommand, float] | None:
        with self._changed:
            if self._paused and not self.stopped:
                self._changed.wait_for(lambda: self._queue or self._closed)
            self.waiting = len(self._queue) > 1
            return self._queue.popleft() if self._queue else None

    def _change(self, command: command_pb2.ControlCommand, setting: Setting, step: int) -> None:
        value = _argument(command)
        refusal = "the command names no value" if value is None else setting.refusal(value)
        if value is None or refusal:
            self._refuse(command, _INVALID, refusal)
            return
        before = setting.read()
        try:
            setting.write(value)
        except ValueError as error:
            self._refuse(command, _INVALID, str(error))
            return
        applied = command_pb2.CommandApplied(
            applied_at_step=step,
            old_setting=_setting(command.type, before),
            new_setting=_setting(command.type, setting.read()),
        )
        self._answer(command, command_pb2.CommandResult(applied=applied))

    def _steer(self, command: command_pb2.ControlCommand, step: int) -> None:
        before = _PAUSED if self._paused else _RUNNING
        after = {
            command_pb2.COMMAND_TYPE_PAUSE_TRAINING: _PAUSED,
            command_pb2.COMMAND_TYPE_RESUME_TRAINING: _RUNNING,
        }.get(command.type, _CANCELLED)
        applied = command_pb2.CommandApplied(
            applied_at_step=step,
            old_setting=command_pb2.CommandSetting(status=before),
            new_setting=command_pb2.CommandSetting(status=after),
        )
        self._paused = after == _PAUSED
        if after == _CANCELLED:
            self.stopped = f"stopped by command {command.command_id}".rstrip()
        self._answer(command, command_pb2.CommandResult(applied=applied))
        if after not in (before, _CANCELLED):
            self._voice.tell_status(after, f"command {command.command_id}" if command.command_id else "command")

    def _refuse(
        self, command: command_pb2.ControlCommand, reason: error_pb2.ErrorReason.ValueType, message: str
    ) -> None:
        refused = command_pb2.CommandRefused(reason=reason, message=message[:_MESSAGE_CHARACTERS])
        self._answer(command, command_pb2.CommandResult(refused=refused))

    def _answer(self, command: command_pb2.ControlCommand, result: command_pb2.CommandResult) -> None:
        if command.command_id:  # those of the telemetry proposal have no id, and get no answer
            result.command_id = command.command_id
            self._voice.tell_result(result)


def _argument(command: command_pb2.ControlCommand) -> float | None:
    """The new value: typed, or as text from servers of the telemetry proposal."""
    match command.WhichOneof("argument"):
        case "batch_size":
            return command.batch_size
        case "learning_rate":
            return command.learning_rate
        case _:
            text = next(iter(command.parameters.values()), "")
    try:
        return float(text)
    except ValueError:
        return None


def _setting(kind: CommandType, value: float) -> command_pb2.CommandSetting:
    if kind == command_pb2.COMMAND_TYPE_ADJUST_BATCH_SIZE:
        return command_pb2.CommandSetting(batch_size=round(value))
    return command_pb2.CommandSetting(learning_rate=value)
