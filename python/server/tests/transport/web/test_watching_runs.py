"""Pages that watch a training of the telemetry service, and steer it."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from authorization import Tokens
from served_telemetry import Image, Served, Trainer, batch, png, serving
from served_web import serving_web
from web_client import PageClient, bearer, call, post

from catenary.telemetry.v1 import command_pb2, watch_pb2
from catenary_server.transport.interceptors.authentication import TokenAuthenticator, contract_scopes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

IMAGE_BYTES = 32 << 10
BATCHES = 40
RATE = command_pb2.COMMAND_TYPE_CHANGE_LEARNING_RATE


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as served:
        yield served


@pytest.fixture
async def url(served: Served) -> AsyncIterator[str]:
    async with serving_web(served.front) as url:
        yield url


async def event(page: PageClient) -> watch_pb2.WatchRunResponse:
    frame = await page.read()
    assert frame.WhichOneof("frame") == "message", frame
    return watch_pb2.WatchRunResponse.FromString(frame.message)


def image_batch(index: int) -> dict[str, Any]:
    images = [Image(image_bytes=png(filler=IMAGE_BYTES + tile), format="png") for tile in range(16)]
    return {"batch_data": batch(index, images)}


async def test_a_page_sees_a_snapshot_and_then_what_the_training_says(served: Served, url: str) -> None:
    trainer = await Trainer.register(served)
    async with PageClient.open(url) as page:
        call_id = await page.begin("WatchRun", credit=100, run_id="run")
        assert (await event(page)).WhichOneof("event") == "snapshot"
        for index in range(3):
            await trainer.send(batch_data=batch(index))
        assert [(await event(page)).record.batch_data.batch_idx for _ in range(3)] == [0, 1, 2]
        await page.cancel(call_id)
        assert (await page.ended()).code == 1


async def test_a_page_without_credit_slows_neither_the_training_nor_another_page_and_costs_no_memory(
    served: Served, url: str
) -> None:
    trainer = await Trainer.register(served)
    async with PageClient.open(url) as slow, PageClient.open(url) as fast:
        slow_call = await slow.begin("WatchRun", credit=1, run_id="run")
        assert (await event(slow)).WhichOneof("event") == "snapshot"
        fast_call = await fast.begin("WatchRun", credit=1, run_id="run")
        assert (await event(fast)).WhichOneof("event") == "snapshot"
        tracemalloc.start()
        try:
            for index in range(BATCHES):
                await fast.give(fast_call)
                await trainer.send(**image_batch(index))
                await trainer.until_durable()
                seen = (await event(fast)).record.batch_data
                assert (seen.batch_idx, len(seen.images)) == (index, 16)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        flowed = BATCHES * 16 * IMAGE_BYTES
        assert peak < flowed / 2, f"{peak} bytes were held of {flowed} that flowed"
        await slow.give(slow_call, 2 * BATCHES)
        batches = [(await event(slow)).record.batch_data for _ in range(BATCHES)]
        assert [each.batch_idx for each in batches] == list(range(BATCHES))
        assert [each.batch_idx for each in batches if any(tile.image_bytes for tile in each.images)] == [BATCHES - 1]


async def test_a_command_by_post_reaches_the_training_and_its_outcome_comes_back(served: Served, url: str) -> None:
    trainer = await Trainer.register(served, commands=[{"type": RATE, "minimum": 0.001, "maximum": 0.1}])
    await trainer.send(batch_data=batch())
    async with PageClient.open(url) as page:
        await page.begin("WatchRun", credit=100, run_id="run")
        assert (await event(page)).WhichOneof("event") == "snapshot"
        command = {"command_id": "c1", "type": RATE, "learning_rate": 0.01}
        answer = asyncio.create_task(
            call(url, "SendCommand", run_id="run", command=command, result_timeout={"seconds": 20})
        )
        told = await trainer.until(lambda response: response.HasField("command"))
        assert told.command.learning_rate == pytest.approx(0.01)
        result = {"command_id": "c1", "applied": {"applied_at_step": 7, "old_setting": {"learning_rate": 0.1}}}
        await trainer.send(command_result=result)
        assert (await answer).result.applied.applied_at_step == 7
        seen = await event(page)
        while not seen.record.HasField("command_result"):
            seen = await event(page)
        assert seen.record.command_result.command_id == "c1"


async def test_who_may_view_may_not_steer(tmp_path: Path) -> None:
    tokens = Tokens()
    authenticator = TokenAuthenticator(tokens.grants)
    async with serving(tmp_path, authenticator=authenticator) as served, serving_web(served.front) as url:
        viewer = tokens.make(frozenset({"telemetry.read"}))
        everything = tokens.make(contract_scopes())
        registered = await call(url, "RegisterTrainingSession", bearer(everything), session_id="run")
        assert registered.session_id == "run"
        async with PageClient.open(url, viewer) as page:
            await page.begin("WatchRun", run_id="run")
            assert (await event(page)).WhichOneof("event") == "snapshot"
        command = {"command_id": "c1", "type": RATE}
        refused = await post(url, "SendCommand", bearer(viewer), run_id="run", command=command)
        assert (refused.status, refused.failure.reason) == (403, "SCOPE_MISSING")
        assert refused.failure.metadata["scope"] == "telemetry.control"
