"""A server after the sample of the telemetry proposal: it registers, prints, and acknowledges batches; nothing else.

Beside what the sample does, it sends each command that it reads from its standard input, as `TYPE key=value`, to the
stream, and `ERROR CODE` as an error. Its first line names the port, each later one is a message as JSON.

    sample_server.py FOLDER_WITH_STUBS
"""

from __future__ import annotations

import importlib
import json
import queue
import sys
import threading
import time
from concurrent import futures
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.json_format import MessageToDict

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.insert(0, sys.argv[1])

telemetry_pb2: Any = importlib.import_module("telemetry_pb2")
telemetry_pb2_grpc: Any = importlib.import_module("telemetry_pb2_grpc")

OUTGOING: queue.Queue[dict[str, Any]] = queue.Queue()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class TelemetryServicer(telemetry_pb2_grpc.TelemetryServiceServicer):  # type: ignore[misc]  # made at run time
    def RegisterTrainingSession(self, request: Any, _: grpc.ServicerContext) -> object:
        say(json.dumps({"registered": request.session_id}))
        return telemetry_pb2.SessionResponse(
            success=True,
            session_id=request.session_id,
            message="Session registered successfully",
            server_config=telemetry_pb2.ServerConfig(
                max_batch_size=64, max_image_dimension=512, heartbeat_interval_ms=200, buffer_size=1000
            ),
        )

    def StreamTelemetry(self, requests: Iterator[Any], _: grpc.ServicerContext) -> Iterator[object]:
        for request in requests:
            say(json.dumps(MessageToDict(request)))
            if request.HasField("batch_data"):
                yield self._response(
                    request, ack=telemetry_pb2.Acknowledgment(batch_idx=request.batch_data.batch_idx, success=True)
                )
            while not OUTGOING.empty():
                yield self._response(request, **OUTGOING.get())

    def _response(self, request: Any, **payload: object) -> object:
        return telemetry_pb2.TelemetryResponse(
            session_id=request.session_id, timestamp_ms=int(time.time() * 1000), **payload
        )


def read_orders() -> None:
    for line in sys.stdin:
        kind, _, rest = line.strip().partition(" ")
        if kind == "ERROR":
            OUTGOING.put({"error": telemetry_pb2.ErrorResponse(code=rest, message="as ordered")})
        else:
            parameters = dict([rest.split("=")]) if rest else {}
            OUTGOING.put({"command": telemetry_pb2.ControlCommand(type=kind, parameters=parameters)})


server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
telemetry_pb2_grpc.add_TelemetryServiceServicer_to_server(TelemetryServicer(), server)
say(str(server.add_insecure_port("127.0.0.1:0")))
server.start()
threading.Thread(target=read_orders, daemon=True).start()
server.wait_for_termination()
