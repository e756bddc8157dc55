"""Runs of telemetry as viewers see them: found, watched, read, commanded, deleted."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from google.protobuf.duration_pb2 import Duration

from catenary.telemetry.v1 import (
    command_pb2,
    command_request_pb2,
    metric_query_pb2,
    run_request_pb2,
    telemetry_pb2,
    training_pb2,
    watch_pb2,
)
from catenary.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceStub
from catenary_client.calls import rpc_of
from catenary_client.errors import CatenaryError
from catenary_client.run_results import CommandOutcome, MetricSeries, RunEvent, TelemetryRun
from catenary_wire import names

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    import grpc

    from catenary_client.calls import Caller

RunCommand: TypeAlias = Literal["pause", "resume", "stop", "learning_rate", "batch_size"]
"""What can be asked of a training."""
PayloadClass: TypeAlias = Literal["scalar", "performance", "image_batch"]
"""Telemetry beside events, which are always sent."""

COMMAND_TYPES: Mapping[RunCommand, command_pb2.CommandType.ValueType] = {
    "pause": command_pb2.COMMAND_TYPE_PAUSE_TRAINING,
    "resume": command_pb2.COMMAND_TYPE_RESUME_TRAINING,
    "stop": command_pb2.COMMAND_TYPE_STOP_TRAINING,
    "learning_rate": command_pb2.COMMAND_TYPE_CHANGE_LEARNING_RATE,
    "batch_size": command_pb2.COMMAND_TYPE_ADJUST_BATCH_SIZE,
}
LONGEST_WAIT_SECONDS = 60.0
MOST_METRICS = 64
"""Metrics of one query."""
QUIET_SECONDS = 10.0
"""Silence after which a run that has not ended has nothing more to tell of its past."""
HISTORIC = frozenset({"status_update", "epoch_data", "command", "command_result", "gap"})
"""Kinds of events that tell what happened to a run."""


class RunCalls:
    """What a client does with runs, its own trainings' and those that report from elsewhere."""

    _channel: grpc.aio.Channel
    _caller: Caller

    async def list_runs(
        self, *, statuses: Sequence[str] = (), tags: Mapping[str, str] | None = None
    ) -> list[TelemetryRun]:
        """The caller's runs, newest first.

        Args:
            statuses: only runs with one of these, such as `RUNNING`; all when empty.
            tags: only runs that have all of these.

        Raises:
            ValueError: a status that there is not.
        """
        request = run_request_pb2.ListRunsRequest(
            statuses=[names.number_of(training_pb2.TrainingStatus, status) for status in statuses], tags=tags
        )
        found: list[TelemetryRun] = []
        while True:
            page = await self._caller.unary(TelemetryServiceStub(self._channel).ListRuns, request)
            found += map(TelemetryRun.of, page.runs)
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    async def get_run(self, run_id: str) -> TelemetryRun:
        """One run.

        Raises:
            NotFoundError: the caller has no such run.
        """
        response = await self._caller.unary(
            TelemetryServiceStub(self._channel).GetRun, run_request_pb2.GetRunRequest(run_id=run_id)
        )
        return TelemetryRun.of(response.run)

    async def delete_run(self, run_id: str) -> int:
        """Delete a run that nobody writes to, with everything it stored; returns the bytes that are free again.

        Raises:
            NotFoundError: the caller has no such run.
            PreconditionError: somebody writes to it.
        """
        request = run_request_pb2.DeleteRunRequest(run_id=run_id)
        return (await self._caller.unary(TelemetryServiceStub(self._channel).DeleteRun, request)).freed_bytes

    async def query_metrics(
        self,
        run_id: str,
        metric_names: Sequence[str],
        *,
        steps: tuple[int | None, int | None] = (None, None),
        max_points: int = 1000,
    ) -> dict[str, MetricSeries]:
        """Metrics of a run by name; of a metric without values an empty series.

        Args:
            run_id: the run.
            metric_names: as `TelemetryRun.metric_names` lists them.
            steps: first and last step; None for no bound.
            max_points: of each series; neighbours are merged to their least and greatest value to have no more.

        Raises:
            NotFoundError: the caller has no such run.
        """
        found: dict[str, MetricSeries] = {}
        for start in range(0, len(metric_names), MOST_METRICS):
            request = metric_query_pb2.QueryMetricsRequest(
                run_id=run_id,
                metric_names=metric_names[start : start + MOST_METRICS],
                from_step=steps[0],
                to_step=steps[1],
                max_points=max_points,
            )
            response = await self._caller.unary(TelemetryServiceStub(self._channel).QueryMetrics, request)
            found |= {series.metric_name: MetricSeries.of(series) for series in response.series}
        return found

    async def watch_run(
        self,
        run_id: str,
        *,
        after_sequence: int | None = None,
        payload_classes: Sequence[PayloadClass] = (),
        snapshot_points: int | None = None,
        image_rate: float | None = None,
    ) -> AsyncGenerator[RunEvent, None]:
        """A snapshot of the run, then everything that happens to it, to its end; a broken connection is taken up again.

        Args:
            run_id: the run.
            after_sequence: position of the last event known; None for what happens from now on, 0 for everything.
            payload_classes: what to see beside events; everything when empty.
            snapshot_points: points per metric in the snapshot; the server's default when None.
            image_rate: batches with images per second, at most.

        Raises:
            NotFoundError: the caller has no such run.
        """
        request = watch_pb2.WatchRunRequest(
            run_id=run_id,
            after_sequence=after_sequence,
            payload_classes=[names.number_of(telemetry_pb2.PayloadClass, each) for each in payload_classes],
            snapshot_points=snapshot_points,
            image_rate_hz=image_rate,
        )
        failures, resumed = 0, False
        while True:
            try:
                stream = self._caller.stream(TelemetryServiceStub(self._channel).WatchRun, request)
                async with contextlib.aclosing(
                    cast("AsyncGenerator[watch_pb2.WatchRunResponse, None]", stream)
                ) as responses:
                    async for response in responses:
                        failures, request.after_sequence = 0, response.sequence
                        if not (resumed and response.HasField("snapshot")):
                            yield RunEvent.of(response)
            except CatenaryError as error:
                failures, resumed = failures + 1, True
                await self._caller.pause(rpc_of(type(request)), error.failure, failures)
            else:
                return

    async def run_history(self, run_id: str) -> list[RunEvent]:
        """What happened to a run up to now: status, epochs, commands with their results, gaps.

        Raises:
            NotFoundError: the caller has no such run.
        """
        end = (await self.get_run(run_id)).last_sequence
        watch = self.watch_run(run_id, after_sequence=0, payload_classes=("scalar", "performance"), snapshot_points=0)
        found: list[RunEvent] = []
        async with contextlib.aclosing(watch) as events:
            with contextlib.suppress(TimeoutError, StopAsyncIteration):
                position = 0
                while position < end:
                    async with asyncio.timeout(QUIET_SECONDS):
                        event = await anext(events)
                    position = event.sequence
                    if event.kind in HISTORIC and position <= end:
                        found.append(event)
        return found

    async def send_command(
        self,
        run_id: str,
        command: RunCommand,
        value: float | None = None,
        *,
        wait: float = 30.0,
        expires_in: float | None = None,
        command_id: str = "",
    ) -> CommandOutcome:
        """Ask a training something, and wait for what becomes of it.

        Args:
            run_id: the run.
            command: what is asked.
            value: the new learning rate or batch size; the other commands take none.
            wait: seconds to wait for the result, 60 at most.
            expires_in: seconds after which it must not take effect any more; the server's default when None.
            command_id: the same id is the same command, and has its effect once; made when empty.

        Raises:
            NotFoundError: the caller has no such run.
            InvalidRequestError: the training does not obey such a command, or the value is out of its bounds.
            PreconditionError: the training has ended, or nobody writes to the run.
        """
        message = command_pb2.ControlCommand(command_id=command_id or uuid.uuid4().hex, type=COMMAND_TYPES[command])
        if value is not None and command == "batch_size":
            message.batch_size = _whole(value)
        elif value is not None:
            message.learning_rate = value
        if expires_in is not None:
            message.expire_time.GetCurrentTime()
            message.expire_time.FromNanoseconds(message.expire_time.ToNanoseconds() + round(expires_in * 1e9))
        request = command_request_pb2.SendCommandRequest(
            run_id=run_id, command=message, result_timeout=Duration(seconds=round(min(wait, LONGEST_WAIT_SECONDS)))
        )
        within = None if self._caller.timeout is None else self._caller.timeout + wait
        return CommandOutcome.of(
            await self._caller.unary(TelemetryServiceStub(self._channel).SendCommand, request, within=within)
        )


def _whole(value: float) -> int:
    if value != int(value):
        message = f"a batch has a whole number of samples, not {value}"
        raise ValueError(message)
    return int(value)
