"""The training of the telemetry proposal, with the proposal's own stubs: registers, sends its sample, obeys.

A program of its own, so that its stubs do not meet ours. Prints every response as a line of JSON.
"""

from __future__ import annotations

import importlib
import io
import json
import queue
import sys
import time
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import json_format
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCHES = 5


def main(stubs: str, address: str) -> None:
    sys.path.insert(0, stubs)
    telemetry_pb2 = importlib.import_module("telemetry_pb2")  # generated just now
    telemetry_pb2_grpc = importlib.import_module("telemetry_pb2_grpc")
    stub = telemetry_pb2_grpc.TelemetryServiceStub(grpc.insecure_channel(address))
    session = telemetry_pb2.SessionInfo(session_id="train_001", client_name="pytorch_trainer", client_version="1.0.0")
    tell(stub.RegisterTrainingSession(session, timeout=20))
    obeyed: queue.Queue[None] = queue.Queue()
    for response in stub.StreamTelemetry(requests(telemetry_pb2, obeyed), timeout=60):
        tell(response)
        if response.HasField("command"):
            obeyed.put(None)


def requests(stubs: Any, obeyed: queue.Queue[None]) -> Iterator[Any]:
    buffer = io.BytesIO()
    Image.new("RGB", (256, 256)).save(buffer, "JPEG", quality=85)
    for index in range(BATCHES):
        batch = stubs.BatchData(epoch=5, batch_idx=index, batch_size=16, batch_loss=0.234, batch_accuracy=0.92)
        for number in range(16):
            image = batch.images.add(image_bytes=buffer.getvalue(), format="jpeg", width=256, height=256, channels=3)
            image.image_id = f"batch{index}_img{number}"
            prediction = batch.predictions.add(predicted_class=3, predicted_label="cat", confidence=0.94)
            prediction.top_k_scores.add(class_idx=3, label="cat", score=0.94)
        batch.ground_truth.extend([3, 5, 3, 2, 1])
        yield request(stubs, batch_data=batch)
        yield request(stubs, heartbeat=stubs.Heartbeat(sequence_number=index))
    yield request(stubs, epoch_data=stubs.EpochData(epoch=5, average_loss=0.2, validation_loss=0.3))
    yield request(stubs, performance_data=stubs.PerformanceData(current_fps=60.0, average_fps=59.0))
    obeyed.get(timeout=30)
    yield request(stubs, status_update=stubs.StatusUpdate(status=stubs.COMPLETED, message="done"))


def request(stubs: Any, **payload: Any) -> Any:
    return stubs.TelemetryRequest(session_id="train_001", timestamp_ms=int(time.time() * 1000), **payload)


def tell(message: Any) -> None:
    sys.stdout.write(json.dumps(json_format.MessageToDict(message, preserving_proto_field_name=True)) + "\n")
    sys.stdout.flush()


main(*sys.argv[1:])
