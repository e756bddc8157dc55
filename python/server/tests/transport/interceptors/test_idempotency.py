from __future__ import annotations

import asyncio

import pytest
from application import Clock
from wire_client import method

from catenary.v1.pipeline_requests_pb2 import SavePipelineRequest
from catenary_server.domain.failure import Failure, Reason
from catenary_server.transport.interceptors import idempotency
from catenary_server.transport.interceptors.idempotency import ONCE, Attempts
from catenary_server.transport.methods import contract_methods

SAVE = method("SavePipeline")
RESOURCES_REMEMBER = {"CreateSession", "Train"}
NOT_BUILT = {"UploadPipeline", "UploadDataset", "GetDataset"}


class Work:
    """Counts how often it is done."""

    def __init__(self) -> None:
        self.done = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> bytes:
        await self.gate.wait()
        self.done += 1
        return str(self.done).encode()


def request(request_id: str = "r", path: str = "p") -> SavePipelineRequest:
    return SavePipelineRequest(session_id="s", pipeline_path=path, request_id=request_id)


def test_every_request_id_of_the_contract_is_kept_somewhere() -> None:
    named = {
        each.name
        for each in contract_methods().values()
        if "request_id" in each.request.DESCRIPTOR.fields_by_name and "telemetry" not in each.service
    }
    assert named - NOT_BUILT == ONCE | RESOURCES_REMEMBER


async def test_work_without_a_request_id_is_done_each_time() -> None:
    attempts, work = Attempts(), Work()
    for wanted in (b"1", b"2"):
        assert await attempts.once(SAVE, "me", request(""), work) == wanted


async def test_a_request_id_is_its_principals() -> None:
    attempts, work = Attempts(), Work()
    assert await attempts.once(SAVE, "me", request(), work) == b"1"
    assert await attempts.once(SAVE, "me", request(), work) == b"1"
    assert await attempts.once(SAVE, "you", request(), work) == b"2"
    with pytest.raises(Failure) as caught:
        await attempts.once(SAVE, "me", request(path="other"), work)
    assert caught.value.reason is Reason.IDEMPOTENCY_CONFLICT


async def test_a_retry_after_its_caller_has_gone_finds_the_work_that_went_on() -> None:
    attempts, work = Attempts(), Work()
    work.gate.clear()
    first = asyncio.create_task(attempts.once(SAVE, "me", request(), work))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    retry = asyncio.create_task(attempts.once(SAVE, "me", request(), work))
    work.gate.set()
    assert await retry == b"1"
    assert work.done == 1


async def test_a_request_is_remembered_for_an_hour() -> None:
    clock = Clock()
    attempts, work = Attempts(clock), Work()
    await attempts.once(SAVE, "me", request(), work)
    clock.now += 3599
    assert await attempts.once(SAVE, "me", request(), work) == b"1"
    clock.now += 1
    assert await attempts.once(SAVE, "me", request(), work) == b"2"


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MEMORY_REQUESTS", 2)
    attempts, work = Attempts(), Work()
    for number in range(5):
        await attempts.once(SAVE, "me", request(str(number)), work)
    assert len(attempts._attempts) == 2
