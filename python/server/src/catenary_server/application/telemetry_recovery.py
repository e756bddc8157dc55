"""Reads runs back: from the index as far as it goes, and from their logs from there on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from catenary_server.domain.telemetry_message import Kind
from catenary_server.domain.telemetry_run import RunState, begin
from catenary_server.domain.telemetry_store import CommandRow, IndexChange, IndexedRun, ScalarRow

if TYPE_CHECKING:
    from catenary_server.domain.telemetry_message import MessageCodec
    from catenary_server.domain.telemetry_run import Entry
    from catenary_server.domain.telemetry_store import TelemetryStore

_PAGE_BYTES: Final = 16 << 20


async def recovered(store: TelemetryStore, codec: MessageCodec, indexed: IndexedRun) -> RunState | None:
    """The run as its log has it, with the index brought up to it; None if the log has not even a registration.

    Raises:
        Failure: STORAGE_IO, ARTIFACT_CORRUPT.
    """
    if indexed.state and indexed.size_bytes == store.size_bytes(indexed.key):
        return RunState.from_json(indexed.state)  # it was closed, and nothing was written since
    if await store.last_position(indexed.key) < indexed.position:
        await store.index.remove(indexed.key)  # the log lost its end: what the index knows may not have happened
        indexed = IndexedRun(indexed.key)
    state = RunState.from_json(indexed.state) if indexed.state else None
    after = indexed.position
    while page := await store.read(indexed.key, after, most_bytes=_PAGE_BYTES):
        replay = _Replay(codec, state)
        for entry in page:
            replay.take(entry)
        state, after = replay.state, page[-1].position
        if state is not None:
            await store.index.write([replay.change(state)])
    if state is None:
        await store.delete(indexed.key)
    return state


class _Replay:
    """Takes entries in again."""

    def __init__(self, codec: MessageCodec, state: RunState | None) -> None:
        self.state = state
        self._codec = codec
        self._scalars: list[ScalarRow] = []
        self._commands: list[CommandRow] = []

    def take(self, entry: Entry) -> None:
        """Take one entry in. Without a state, it has to be a registration or a note of the state."""
        if entry.kind is Kind.CHECKPOINT:
            self.state = RunState.from_json(entry.payload.decode())
        elif self.state is None and entry.kind is Kind.REGISTERED:
            self.state = begin(entry.payload)
        if self.state is None:
            return
        message = self._codec.read(entry.payload) if entry.kind.said_by_training else None
        scalars = self.state.apply(entry, message)
        self._scalars += [
            ScalarRow(each.metric_name, each.step or 0, entry.position, item, each.time_ms, each.value)
            for item, each in enumerate(scalars)
        ]
        if entry.kind is Kind.COMMAND:
            command = next(reversed(self.state.open_commands.values()))
            self._commands.append(CommandRow(command.command_id, command, None))
        if message is not None and message.result is not None:
            self._commands.append(CommandRow(message.result.command_id, None, message.result.encoded))

    def change(self, state: RunState) -> IndexChange:
        """What the index has to learn."""
        return IndexChange(state.key, state.position, 0, state.to_json(), self._scalars, self._commands)
