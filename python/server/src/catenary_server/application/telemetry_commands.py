"""Commands to trainings: taken once, kept in the log, handed on, answered."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from catenary_server.domain.failure import Failure, Reason, Resource, Violation
from catenary_server.domain.telemetry_message import Kind

if TYPE_CHECKING:
    from catenary_server.application.telemetry_live import LiveRun
    from catenary_server.application.telemetry_runs import TelemetryRuns
    from catenary_server.application.telemetry_upkeep import Upkeep
    from catenary_server.domain.telemetry import Command

LIFE_SECONDS: Final = 60.0
"""How long a command waits that says nothing about it."""


class CommandAnswer(NamedTuple):
    """A command as the server took it, and its result so far: the contract's CommandResult."""

    command: Command
    result: bytes | None


class Commands:
    """Sends commands.

    Args:
        runs: all runs.
        upkeep: knows what the index knows of commands that are answered.
    """

    def __init__(self, runs: TelemetryRuns, upkeep: Upkeep) -> None:
        self._runs = runs
        self._upkeep = upkeep

    async def send(self, principal: str, run_id: str, command: Command, *, wait: float) -> CommandAnswer:
        """Send a command, or find what became of one that was sent before.

        Args:
            principal: who asks.
            run_id: whom.
            command: what; `expire_time` 0 leaves it to the server.
            wait: seconds to wait for the result.

        Raises:
            Failure: RUN_NOT_FOUND, COMMAND_INVALID, STATE_INVALID, IDEMPOTENCY_CONFLICT, DISK_FULL, STORAGE_IO.
        """
        run = self._runs.find(principal, run_id)
        async with run.change:
            answer = await self._earlier(run, command)
            if answer is None:
                answer = CommandAnswer(await self._take(run, command), None)
        if answer.result is not None:
            return answer
        return answer._replace(result=await self._result(run, answer.command, wait))

    async def _earlier(self, run: LiveRun, command: Command) -> CommandAnswer | None:
        taken = run.state.open_commands.get(command.command_id)
        result = None
        if taken is None:
            row = await self._upkeep.command(run, command.command_id)
            taken, result = (None, None) if row is None else (row.command, row.result)
        if taken is None:
            return None
        if not taken.asks_the_same(command):
            raise Failure(
                Reason.IDEMPOTENCY_CONFLICT,
                f"command id {command.command_id!r} belongs to another command; use a new one",
                resource=Resource("command", command.command_id),
            )
        return CommandAnswer(taken, result)

    async def _take(self, run: LiveRun, command: Command) -> Command:
        self._check(run, command)
        now = time.time()
        taken = dataclasses.replace(command, create_time=now, expire_time=command.expire_time or now + LIFE_SECONDS)
        entry = run.record(Kind.COMMAND, json.dumps(dataclasses.asdict(taken)).encode(), hurry=True)
        await run.until_durable(entry.position)
        self._runs.expire_later(run, taken)
        if run.writer is not None:
            run.writer.command(taken)
        return taken

    def _check(self, run: LiveRun, command: Command) -> None:
        if run.state.ended or not self._runs.is_live(run) or not run.is_open:
            raise Failure(
                Reason.STATE_INVALID,
                "the training has ended, or nobody writes to the run now",
                violations=(Violation("writer_state", f"is {run.state.writer_state}, the status {run.state.status}"),),
            )
        capability = next((each for each in run.state.commands if each.type is command.type), None)
        if capability is None:
            obeyed = ", ".join(each.type for each in run.state.commands) or "none"
            raise _invalid("command.type", f"the training does not obey {command.type}; it obeys {obeyed}")
        if not capability.allows(command.argument):
            bounds = f"{capability.minimum} and {capability.maximum}"
            raise _invalid("command.argument", f"{command.argument} is not between {bounds}, as the training asks")

    async def _result(self, run: LiveRun, command: Command, wait: float) -> bytes | None:
        """The result of a command once it is there, or None if that takes too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await run.until(lambda: command.command_id in run.results)
        return run.results.get(command.command_id)


def _invalid(subject: str, description: str) -> Failure:
    return Failure(Reason.COMMAND_INVALID, description, violations=(Violation(subject, description),))
