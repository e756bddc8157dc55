"""Steering the run of a session: every command takes effect between two batches and is answered with where it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_server.domain.control import Applied, Command, ControlAction, refused
from catenary_server.domain.failure import Failure, Reason, Resource, Violation
from catenary_server.domain.training import TrainStatus

if TYPE_CHECKING:
    from catenary_server.application.runs import Run
    from catenary_server.application.session import Session


class Control:
    """Use cases that change a run while it goes on."""

    async def pause(self, session: Session) -> Applied:
        """Hold the run; pausing a paused run changes nothing. See `apply`."""
        return await self.apply(session, Command(ControlAction.PAUSE))

    async def resume(self, session: Session) -> Applied:
        """Let the run go on; resuming one that is not paused changes nothing. See `apply`."""
        return await self.apply(session, Command(ControlAction.RESUME))

    async def stop(self, session: Session) -> Applied:
        """End the run, also while it is paused; returns when it has ended. See `apply`."""
        return await self.apply(session, Command(ControlAction.STOP))

    async def set_learning_rate(self, session: Session, value: float) -> Applied:
        """Change the learning rate of all parameter groups; a schedule goes on from there. See `apply`."""
        return await self.apply(session, Command(ControlAction.LEARNING_RATE, value))

    async def set_batch_size(self, session: Session, value: int) -> Applied:
        """Change how many tiles the next batch has, in the midst of an epoch too. See `apply`."""
        return await self.apply(session, Command(ControlAction.BATCH_SIZE, value))

    async def apply(self, session: Session, command: Command, run_id: str = "") -> Applied:
        """Ask the run of a session something, and return when it took effect.

        Args:
            session: whose run is meant.
            command: what is asked.
            run_id: the run that is meant; empty: whichever goes on.

        Raises:
            Failure: COMMAND_INVALID if the argument is out of bounds or the phase cannot obey, STATE_INVALID if no run
                goes on or it ends before it obeys, RUN_NOT_FOUND if another run goes on than the one that is meant.
        """
        command.check()
        run = _running(session, run_id)
        if command.action is ControlAction.STOP:
            return await self._stop(session, run)
        await run.begun()  # a run that has said nothing yet may not be ready to hear
        with session.engaged() as pipeline:
            return await pipeline.worker.control(command)

    @staticmethod
    async def _stop(session: Session, run: Run) -> Applied:
        before = run.latest.status if run.latest is not None else TrainStatus.IN_PROGRESS
        with session.engaged() as pipeline:
            await pipeline.worker.stop_training()
        await run.ended()
        if run.latest is None or run.latest.status is not TrainStatus.CANCELLED:
            raise _no_run("the run ended by itself before it was stopped")
        return Applied(run.latest.global_step, before, run.latest.status)


def _running(session: Session, run_id: str) -> Run:
    """The phase of training that goes on; an evaluation cannot be steered, only stopped."""
    run = session.working
    if run is None:
        raise _no_run("no training runs in this session; commands are for a run that goes on")
    if run_id and run.run_id != run_id:
        raise Failure(
            Reason.RUN_NOT_FOUND, f"run {run_id} does not go on in this session", resource=Resource("run", run_id)
        )
    if run.phase is None:
        raise refused("an evaluation cannot be steered; StopTrain ends it")
    return run


def _no_run(message: str) -> Failure:
    return Failure(Reason.STATE_INVALID, message, violations=(Violation("run", message),))
