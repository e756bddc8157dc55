"""TelemetryService."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from catenary.telemetry.v1 import command_request_pb2, metric_query_pb2, registration_pb2, run_request_pb2, training_pb2
from catenary_server.domain.telemetry import TrainingStatus
from catenary_server.transport.codec.telemetry_registration import (
    decode_command,
    decode_registration,
    encode_registered,
)
from catenary_server.transport.codec.telemetry_run import decode_view, encode_run, encode_seen, encode_series
from catenary_server.transport.codec.telemetry_stream import encode_command, encode_reply
from catenary_server.transport.codec.times import seconds
from catenary_wire import names

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from catenary.telemetry.v1 import watch_pb2
    from catenary_server.application.telemetry import Telemetry
    from catenary_server.application.telemetry_live import LiveRun
    from catenary_server.transport.call import Call
    from catenary_server.transport.codec.telemetry_message import TelemetryCodec
    from catenary_server.transport.pages import Pages

PAGE_SIZE = 100
MAX_POINTS = 1000


class TelemetryServicer:
    """Records what trainings say, and lets viewers watch and steer them.

    Args:
        telemetry: the use cases.
        codec: reads and checks the messages of a stream.
        pages: cuts lists.
    """

    service = "catenary.telemetry.v1.TelemetryService"

    def __init__(self, telemetry: Telemetry, codec: TelemetryCodec, pages: Pages) -> None:
        self._telemetry = telemetry
        self._codec = codec
        self._pages = pages

    async def register_training_session(
        self, request: registration_pb2.RegisterTrainingSessionRequest, call: Call
    ) -> registration_pb2.RegisterTrainingSessionResponse:
        """See the contract."""
        registered = await self._telemetry.registrations.register(call.principal, decode_registration(request))
        return encode_registered(registered, self._telemetry.runs.limits)

    async def stream_telemetry(self, messages: AsyncIterator[bytes], call: Call) -> AsyncGenerator[bytes, None]:
        """See the contract. Messages come as they are: only what is not an image is parsed."""
        incoming = (self._codec.arrived(raw) async for raw in messages)
        async with contextlib.aclosing(self._telemetry.ingest.stream(call.principal, incoming)) as replies:
            async for reply in replies:
                yield encode_reply(reply).SerializeToString()

    async def list_runs(self, request: run_request_pb2.ListRunsRequest, call: Call) -> run_request_pb2.ListRunsResponse:
        """See the contract."""
        statuses = [TrainingStatus(names.short_name(training_pb2.TrainingStatus, each)) for each in request.statuses]
        page, token = self._pages.cut(
            self._telemetry.runs.select(call.principal, statuses, request.tags),
            _newest_first,
            size=request.page_size or PAGE_SIZE,
            token=request.page_token,
            selection=json.dumps([self.service, call.principal, sorted(statuses), sorted(request.tags.items())]),
        )
        return run_request_pb2.ListRunsResponse(runs=[encode_run(run) for run in page], next_page_token=token)

    async def get_run(self, request: run_request_pb2.GetRunRequest, call: Call) -> run_request_pb2.GetRunResponse:
        """See the contract."""
        return run_request_pb2.GetRunResponse(run=encode_run(self._find(request.run_id, call)))

    async def watch_run(self, request: watch_pb2.WatchRunRequest, call: Call) -> AsyncGenerator[bytes, None]:
        """See the contract."""
        run = self._find(request.run_id, call)
        async with contextlib.aclosing(self._telemetry.watches.watch(run, decode_view(request))) as messages:
            async for seen in messages:
                yield encode_seen(seen)

    async def query_metrics(
        self, request: metric_query_pb2.QueryMetricsRequest, call: Call
    ) -> metric_query_pb2.QueryMetricsResponse:
        """See the contract."""
        first = request.from_step if request.HasField("from_step") else None
        last = request.to_step if request.HasField("to_step") else None
        series = await self._telemetry.upkeep.series(
            self._find(request.run_id, call), request.metric_names, (first, last), request.max_points or MAX_POINTS
        )
        return metric_query_pb2.QueryMetricsResponse(series=[encode_series(each) for each in series])

    async def send_command(
        self, request: command_request_pb2.SendCommandRequest, call: Call
    ) -> command_request_pb2.SendCommandResponse:
        """See the contract."""
        answer = await self._telemetry.commands.send(
            call.principal, request.run_id, decode_command(request.command), wait=seconds(request.result_timeout)
        )
        response = command_request_pb2.SendCommandResponse(command=encode_command(answer.command))
        if answer.result is not None:
            response.result.ParseFromString(answer.result)
        return response

    async def delete_run(
        self, request: run_request_pb2.DeleteRunRequest, call: Call
    ) -> run_request_pb2.DeleteRunResponse:
        """See the contract."""
        freed = await self._telemetry.runs.delete(call.principal, request.run_id)
        return run_request_pb2.DeleteRunResponse(freed_bytes=freed)

    def _find(self, run_id: str, call: Call) -> LiveRun:
        return self._telemetry.runs.find(call.principal, run_id)


def _newest_first(run: LiveRun) -> str:
    """Sorts by falling time of creation; the id makes it unique."""
    return f"{1e11 - run.state.create_time:020.6f} {run.state.run_id}"
