"""What a viewer gets while the disk is behind the training."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from served_telemetry import DEADLINE, Request, batch

from catenary_server.application.telemetry_live import LiveRun
from catenary_server.application.telemetry_watch import Said, View, Watches
from catenary_server.domain.telemetry import TelemetryLimits
from catenary_server.domain.telemetry_run import RunState
from catenary_server.transport.codec.telemetry_message import TelemetryCodec
from catenary_server.transport.interceptors.rules import FieldRules


class SlowStore:
    """A store, and a log in it, that says only by hand what is written."""

    written = 0

    async def open(self, *_: object) -> Any:
        return self

    def append(self, *_: object, **__: object) -> None: ...


class NoMetrics:
    async def series(self, *_: object) -> list[Any]:
        return []


def say(run: LiveRun, codec: TelemetryCodec, number: int) -> None:
    payload: dict[str, Any] = {"batch_data": batch(number, images=1)}
    raw = Request(session_id="run", **payload).SerializeToString()
    message = codec.read(raw)
    run.record(message.kind, raw, message)


async def test_the_newest_batch_that_is_written_has_its_images_however_far_the_training_is_ahead() -> None:
    store: Any = SlowStore()
    metrics: Any = NoMetrics()
    codec = TelemetryCodec(FieldRules(), TelemetryLimits())
    run = LiveRun(RunState(run_id="run", key="key", principal="anonymous", create_time=0.0), store)
    await run.open()
    async with contextlib.aclosing(Watches(metrics, codec).watch(run, View(snapshot_points=0))) as seen:
        await anext(seen)

        async def next_batch() -> tuple[int, bool]:
            event = (await asyncio.wait_for(anext(seen), DEADLINE)).event
            assert isinstance(event, Said)
            data = Request.FromString(event.raw).batch_data
            return data.batch_idx, any(image.image_bytes for image in data.images)

        for number in (1, 2, 3):
            say(run, codec, number)
        run.on_written(1)
        assert await next_batch() == (1, True)
        run.on_written(3)
        say(run, codec, 4)
        assert await next_batch() == (2, False)
        run.on_written(4)
        assert await next_batch() == (3, True)
        assert await next_batch() == (4, True)
