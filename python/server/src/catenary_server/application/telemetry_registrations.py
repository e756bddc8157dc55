"""Trainings become runs: new ones, ones that are taken over with their token, ones that start over."""

from __future__ import annotations

import asyncio
import secrets
import time
import weakref
from typing import TYPE_CHECKING, Final, NamedTuple

from catenary_server.application.telemetry_ingest import superseded
from catenary_server.application.telemetry_runs import key_words
from catenary_server.domain.failure import Failure, Reason, Resource, Violation
from catenary_server.domain.telemetry_message import Kind
from catenary_server.domain.telemetry_run import RunState, registration_note

if TYPE_CHECKING:
    from catenary_server.application.telemetry_live import LiveRun
    from catenary_server.application.telemetry_runs import TelemetryRuns
    from catenary_server.application.telemetry_tokens import Tokens
    from catenary_server.domain.telemetry import Registration

LEAST_FREE_BYTES: Final = 256 << 20
"""Room on the disk below which no run is registered."""


class Registered(NamedTuple):
    """What a writer has to know."""

    run: LiveRun
    writer_epoch: int
    resume_from: int
    resume_token: str
    taken_over: bool


class Registrations:
    """Registers writers.

    Args:
        runs: all runs.
        tokens: makes and checks resume tokens.
    """

    def __init__(self, runs: TelemetryRuns, tokens: Tokens) -> None:
        self._runs = runs
        self._tokens = tokens
        self._registering: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def register(self, principal: str, registration: Registration) -> Registered:
        """Make the caller the writer of a run, which is new, taken over, or starts over.

        Raises:
            Failure: RUN_EXISTS, IDEMPOTENCY_CONFLICT, STALE_EPOCH, QUOTA_DISK, DISK_FULL, STORAGE_IO.
        """
        name = registration.run_id or f"{principal} {registration.request_id or secrets.token_hex()}"
        async with self._registering.setdefault(name, asyncio.Lock()):
            repeated = self._repeated(principal, registration)
            if repeated is not None:
                return repeated
            run = self._registrable(principal, registration)
            async with run.change:
                return await self._register(run, registration)

    def _repeated(self, principal: str, registration: Registration) -> Registered | None:
        """The registration that this one repeats."""
        run = self._runs.registered_by(principal, registration.request_id)
        if run is None:
            return None
        digest, epoch = run.state.requests[registration.request_id]
        if digest != registration.digest:
            raise Failure(
                Reason.IDEMPOTENCY_CONFLICT,
                f"request id {registration.request_id!r} was used with another registration; use a new one",
                resource=Resource("request", registration.request_id),
            )
        return Registered(run, epoch, run.state.received + 1, self._tokens.token(run.state, epoch), taken_over=False)

    def _registrable(self, principal: str, registration: Registration) -> LiveRun:
        run = self._runs.named(registration.run_id)
        if run is None:
            self._runs.refuse_unread(registration.run_id)
            if registration.resume_token:
                raise _stale_token(registration.run_id)
            return self._new_run(principal, registration)
        if run.state.principal != principal or (not registration.resume_token and self._runs.is_live(run)):
            raise Failure(
                Reason.RUN_EXISTS,
                f"run {registration.run_id!r} exists and is being written; choose another id, or send its resume token",
                resource=Resource("run", registration.run_id),
            )
        if registration.resume_token and not self._tokens.fits(run.state, registration.resume_token):
            raise _stale_token(registration.run_id)
        return run

    def _new_run(self, principal: str, registration: Registration) -> LiveRun:
        if self._runs.store.free_bytes() < LEAST_FREE_BYTES:
            raise Failure(
                Reason.QUOTA_DISK,
                "there is no room for another run; delete some, or ask the operator for more",
                violations=(Violation("disk_bytes", f"less than {LEAST_FREE_BYTES} are free"),),
                retry_after=60.0,
            )
        run_id = registration.run_id or secrets.token_urlsafe(24).lstrip("-_")
        state = RunState(run_id=run_id, key=_key(run_id), principal=principal, create_time=time.time())
        return self._runs.add(state)

    async def _register(self, run: LiveRun, registration: Registration) -> Registered:
        state = run.state
        if run.writer is not None:
            run.writer.end(superseded())
            run.writer = None
        try:
            await run.open()
        except Failure:
            if state.writer_epoch == 0:
                self._runs.drop(run)
            raise
        epoch = state.writer_epoch + 1
        taken_over = bool(registration.resume_token)
        note = registration_note(state, registration, epoch=epoch, fresh=not taken_over or state.ended)
        entry = run.record(Kind.REGISTERED, note, hurry=True)
        await run.until_durable(entry.position)
        self._runs.heard(run)
        return Registered(run, epoch, state.received + 1, self._tokens.token(state, epoch), taken_over)


def _stale_token(run_id: str) -> Failure:
    return Failure(
        Reason.STALE_EPOCH,
        f"the resume token is not the newest of run {run_id!r}; another writer took over, or the run was deleted",
        violations=(Violation("resume_token", "is not the run's newest"),),
    )


def _key(run_id: str) -> str:
    """A folder name that operators recognise and that no other run ever has."""
    return f"{key_words(run_id)}.{secrets.token_hex(8)}"
