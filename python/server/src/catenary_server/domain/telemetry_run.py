"""A run: what its log amounts to. Entries go in one after the other, live or when the log is read again."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any, Self

from catenary_server.domain.telemetry import (
    Capability,
    Command,
    CommandType,
    PayloadClass,
    Registration,
    TrainingStatus,
    WriterState,
)
from catenary_server.domain.telemetry_message import Gap, Kind, Message, Scalar

KEPT_REQUESTS = 16
"""Registrations of a run that are remembered, so that a retry finds its epoch."""


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a run's log: its position, what it is, when the server took it (Unix microseconds), its bytes."""

    position: int
    kind: Kind
    time_us: int
    payload: bytes


@dataclasses.dataclass(eq=False, kw_only=True)
class RunState:
    """Everything about a run but the telemetry itself. Times are Unix seconds.

    Attributes:
        key: names the run on the disk; another run that gets the id later has another key.
        received: the writer's last sequence that arrived; `gaps` are ranges beyond it of which not all will come.
        requests: body digest and epoch of the last registrations by their request id.
        latest: positions of the last batch with images, epoch and performance data.
        end_position: of the note that the training has ended; None while it goes on.
        position: of the last entry that is in here.
    """

    run_id: str
    key: str
    principal: str
    create_time: float
    client_name: str = ""
    client_version: str = ""
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    commands: list[Capability] = dataclasses.field(default_factory=list)
    config: bytes = b""
    status: TrainingStatus = TrainingStatus.INITIALIZING
    failure: str = ""
    writer_state: WriterState = WriterState.LIVE
    writer_epoch: int = 0
    start_time: float | None = None
    update_time: float = 0.0
    end_time: float | None = None
    received: int = 0
    gaps: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    requests: dict[str, tuple[str, int]] = dataclasses.field(default_factory=dict)
    steps: int = 0
    metric_names: set[str] = dataclasses.field(default_factory=set)
    dropped: dict[PayloadClass, int] = dataclasses.field(default_factory=dict)
    open_commands: dict[str, Command] = dataclasses.field(default_factory=dict)
    latest: dict[Kind, int] = dataclasses.field(default_factory=dict)
    end_position: int | None = None
    position: int = 0

    @property
    def ended(self) -> bool:
        """True after a final status, until the run is registered again."""
        return self.status.final

    def missing_before(self, sequence: int) -> int | None:
        """The first sequence that would have to come before this one; None if it is next, old or behind a gap."""
        expected = self.received + 1
        while expected < sequence:
            covered = max((last for first, last in self.gaps if first <= expected <= last), default=None)
            if covered is None:
                return expected
            expected = covered + 1
        return None

    def passed(self, sequence: int) -> None:
        """Count a sequence as received, whether it was stored or refused."""
        self.received = max(self.received, sequence)
        self.gaps = [(first, last) for first, last in self.gaps if last > self.received]

    def apply(self, entry: Entry, message: Message | None) -> tuple[Scalar, ...]:
        """Take an entry in, with its message if the training said it; return its scalars with their steps.

        The note of the server in an entry is JSON, as `notes` makes it.
        """
        self.position = entry.position
        self.update_time = entry.time_us / 1e6
        if message is not None:
            return self._apply_message(entry, message)
        note: dict[str, Any] = json.loads(entry.payload)
        match entry.kind:
            case Kind.REGISTERED:
                self._apply_registration(note)
            case Kind.COMMAND:
                command = decode_command(note)
                self.open_commands[command.command_id] = command
            case Kind.WRITER_CHANGED:
                self.writer_state = WriterState(note["writer_state"])
            case Kind.ENDED:
                self.end_position = entry.position
            case _:
                pass
        return ()

    def _apply_message(self, entry: Entry, message: Message) -> tuple[Scalar, ...]:
        if message.gap is not None:
            self._apply_gap(message.gap)
        if message.sequence is not None:
            self.passed(message.sequence)
        if message.kind in (Kind.IMAGE_BATCH, Kind.EPOCH, Kind.PERFORMANCE):
            self.latest[message.kind] = entry.position
        if message.kind in (Kind.BATCH, Kind.IMAGE_BATCH):
            self.steps = self.steps + 1 if message.global_step is None else message.global_step
        if message.kind in (Kind.BATCH, Kind.IMAGE_BATCH, Kind.METRICS) and self.status is TrainingStatus.INITIALIZING:
            self._enter(TrainingStatus.RUNNING)
        if message.status is not None:
            self._enter(message.status.status)
            self.failure = message.status.text if message.status.status is TrainingStatus.FAILED else ""
            self.config = self.config if message.status.config is None else message.status.config
        if message.result is not None:
            self.open_commands.pop(message.result.command_id, None)
        return self._take_scalars(message)

    def _take_scalars(self, message: Message) -> tuple[Scalar, ...]:
        if not message.scalars:
            return ()
        if message.kind is Kind.METRICS:
            self.steps = max(self.steps, *(scalar.step or 0 for scalar in message.scalars))
        self.metric_names.update(scalar.metric_name for scalar in message.scalars)
        return tuple(
            scalar if scalar.step is not None else dataclasses.replace(scalar, step=self.steps)
            for scalar in message.scalars
        )

    def _apply_gap(self, gap: Gap) -> None:
        self.dropped[gap.payload_class] = self.dropped.get(gap.payload_class, 0) + gap.count
        if gap.count == gap.last - gap.first + 1 and gap.first <= self.received + 1:
            self.passed(gap.last)
        elif gap.last > self.received:
            self.gaps.append((gap.first, gap.last))

    def _enter(self, status: TrainingStatus) -> None:
        self.status = status
        if status is TrainingStatus.RUNNING and self.start_time is None:
            self.start_time = self.update_time
        if status.final:
            self.end_time = self.update_time

    def _apply_registration(self, note: dict[str, Any]) -> None:
        self.writer_epoch = note["writer_epoch"]
        self.writer_state = WriterState.LIVE
        self.client_name, self.client_version = note["client_name"], note["client_version"]
        self.tags = note["tags"]
        self.commands = [Capability(CommandType(kind), low, high) for kind, low, high in note["commands"]]
        self.config = base64.b64decode(note["config"])
        if note["fresh"]:
            self.status, self.failure = TrainingStatus.INITIALIZING, ""
            self.end_time = self.end_position = None
        if note["request_id"]:
            self.requests[note["request_id"]] = (note["digest"], self.writer_epoch)
            for oldest in list(self.requests)[:-KEPT_REQUESTS]:
                del self.requests[oldest]

    def to_json(self) -> str:
        """The state as text, for `from_json`."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        fields["config"] = base64.b64encode(self.config).decode()
        fields["metric_names"] = sorted(self.metric_names)
        fields["commands"] = [dataclasses.astuple(each) for each in self.commands]
        fields["open_commands"] = [dataclasses.asdict(each) for each in self.open_commands.values()]
        fields["latest"] = {str(kind.value): position for kind, position in self.latest.items()}
        return json.dumps(fields)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The state that `to_json` told."""
        fields: dict[str, Any] = json.loads(text)
        fields["config"] = base64.b64decode(fields["config"])
        fields["metric_names"] = set(fields["metric_names"])
        fields["commands"] = [Capability(CommandType(kind), low, high) for kind, low, high in fields["commands"]]
        commands = [decode_command(each) for each in fields["open_commands"]]
        fields["open_commands"] = {command.command_id: command for command in commands}
        fields["latest"] = {Kind(int(kind)): position for kind, position in fields["latest"].items()}
        fields["status"] = TrainingStatus(fields["status"])
        fields["writer_state"] = WriterState(fields["writer_state"])
        fields["gaps"] = [(first, last) for first, last in fields["gaps"]]
        fields["requests"] = {key: (digest, epoch) for key, (digest, epoch) in fields["requests"].items()}
        fields["dropped"] = {PayloadClass(name): count for name, count in fields["dropped"].items()}
        return cls(**fields)


def begin(note: bytes) -> RunState:
    """The empty state of the run whose first registration this is the note of."""
    fields: dict[str, Any] = json.loads(note)
    return RunState(
        run_id=fields["run_id"], key=fields["key"], principal=fields["principal"], create_time=fields["create_time"]
    )


def decode_command(fields: dict[str, Any]) -> Command:
    """The command that `dataclasses.asdict` made a mapping of."""
    return Command(**{**fields, "type": CommandType(fields["type"])})


def registration_note(state: RunState, registration: Registration, *, epoch: int, fresh: bool) -> bytes:
    """The note of a registration. What a writer that takes a run over leaves out stays as it was."""
    keep = bool(registration.resume_token)
    commands = tuple(state.commands) if keep and not registration.commands else registration.commands
    config = state.config if keep and not registration.config else registration.config
    note = {
        "run_id": state.run_id,
        "key": state.key,
        "principal": state.principal,
        "create_time": state.create_time,
        "writer_epoch": epoch,
        "client_name": registration.client_name,
        "client_version": registration.client_version,
        "tags": state.tags if keep and not registration.tags else registration.tags,
        "commands": [dataclasses.astuple(each) for each in commands],
        "config": base64.b64encode(config).decode(),
        "fresh": fresh,
        "request_id": registration.request_id,
        "digest": registration.digest,
    }
    return json.dumps(note).encode()
