"""G7: a training at 60 steps a second is cut off, and catches up while it goes on, as a viewer sees it."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import grpc

from benchmarks.peers.workload import TILES
from benchmarks.report import Goal, Table
from benchmarks.serving.telemetry import catenary_telemetry
from benchmarks.telemetry_rows.kills import TILE_BYTES
from catenary.telemetry.v1 import telemetry_service_pb2_grpc, watch_pb2
from catenary_tools.fault_proxy import FaultProxy
from chaos.processes import RUN_ID, Broken, Trainer, until
from chaos.trainer import Load

if TYPE_CHECKING:
    from pathlib import Path

_OPTIONS: Final = [("grpc.max_receive_message_length", 64 << 20)]
_SETTLE_SECONDS = 2.0


@dataclasses.dataclass(slots=True)
class _Seen:
    """When the viewer had what, in seconds of the monotonic clock; 0 before.

    Attributes:
        cut_step, back_step: the last step when the cut began, and when it ended.
        back: the writer came back.
        live: the first batch with images after that.
        scalars, batches: everything that was logged up to the end of the cut.
    """

    cut_step: int = 1 << 60
    back_step: int = 1 << 60
    back: float = 0.0
    live: float = 0.0
    scalars: float = 0.0
    batches: float = 0.0

    def take(self, event: watch_pb2.WatchRunResponse) -> None:
        """Look at one event."""
        now = time.monotonic()
        batch = event.record.batch_data
        if batch.global_step > self.cut_step:
            self.back = self.back or now
            if not self.live and any(image.image_bytes for image in batch.images):
                self.live = now
            if batch.global_step >= self.back_step:
                self.batches = self.batches or now
        newest = max((sample.global_step for sample in event.record.metric_batch.samples), default=0)
        if newest > self.cut_step:
            self.back = self.back or now
        if newest >= self.back_step:
            self.scalars = self.scalars or now


def measure(folder: Path, *, quick: bool) -> tuple[list[Table], list[Goal]]:
    """Cut it once."""
    cut_seconds = 5.0 if quick else 30.0
    seen = _Seen()
    with catenary_telemetry(folder / "server") as server, FaultProxy(server.address) as proxy:
        trainer = Trainer(proxy.address, folder, Load(TILES, TILE_BYTES))
        with grpc.insecure_channel(server.address, options=_OPTIONS) as channel:
            viewer = threading.Thread(target=_watch, args=(channel, seen), daemon=True)
            viewer.start()
            try:
                again = _cut(proxy, trainer, seen, cut_seconds)
            except Broken as broken:
                return [], [Goal(f"G7: did not catch up: {broken}", 1, 0)]
            finally:
                trainer.kill()
        viewer.join()
    return _result(seen, again, cut_seconds)


def _cut(proxy: FaultProxy, trainer: Trainer, seen: _Seen, seconds: float) -> float:
    """Cut the trainer off for a time, and wait until the viewer has everything; when the cut ended."""
    time.sleep(_SETTLE_SECONDS)
    seen.cut_step = trainer.step
    proxy.refuse(refusing=True)
    time.sleep(seconds)
    seen.back_step = trainer.step
    proxy.refuse(refusing=False)
    again = time.monotonic()
    until(lambda: bool(seen.scalars and seen.batches and seen.live), "everything at the viewer", 4 * seconds + 30.0)
    return again


def _watch(channel: grpc.Channel, seen: _Seen) -> None:
    """Look at what happens until the channel is closed."""
    stub: Any = telemetry_service_pb2_grpc.TelemetryServiceStub(channel)
    with contextlib.suppress(grpc.RpcError):
        for event in stub.WatchRun(watch_pb2.WatchRunRequest(run_id=RUN_ID)):
            seen.take(event)


def _result(seen: _Seen, again: float, cut_seconds: float) -> tuple[list[Table], list[Goal]]:
    live, scalars, batches = (each - seen.back for each in (seen.live, seen.scalars, seen.batches))
    row = (f"{cut_seconds:g} s", seen.back_step - seen.cut_step, seen.back - again, live, scalars, batches)
    columns = ("cut", "steps", "reconnected after s", "then: live view s", "all scalars s", "all images s")
    goals = [
        Goal("G7: live view back after the first message, s", live, 0.3),
        Goal("G7: scalars complete, s", scalars, 0.5),
        Goal(f"G7: all images of a cut of {cut_seconds:g} s, s", batches, 6.0 * cut_seconds / 30.0),
    ]
    return [Table("Catching up after a cut, as WatchRun shows it", columns, (row,))], goals
