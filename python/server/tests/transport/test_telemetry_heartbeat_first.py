"""A writer that begins with heartbeats, since its training does nothing yet: they do not tell whether it numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from served_telemetry import DEADLINE, Request, Served, Trainer, batch, serving

from catenary.telemetry.v1 import command_pb2, command_request_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

STOP = command_pb2.COMMAND_TYPE_STOP_TRAINING
BEAT: dict[str, Any] = {"heartbeat": {}}
APPLIED = {"command_id": "c1", "applied": {"applied_at_step": 7}}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as served:
        yield served


def send(served: Served, seconds: int) -> Any:
    command = command_pb2.ControlCommand(command_id="c1", type=STOP)
    request = command_request_pb2.SendCommandRequest(run_id="run", command=command)
    request.result_timeout.FromSeconds(seconds)
    return served.stub.SendCommand(request, timeout=DEADLINE)


async def idle_trainer(served: Served) -> Trainer:
    """One that has sent a heartbeat, and got a command."""
    trainer = await Trainer.register(served, commands=[{"type": STOP}])
    await trainer.call.write(Request(session_id="run", **BEAT))
    sent = send(served, 0)
    await trainer.until(lambda response: response.command.command_id == "c1")
    await sent
    return trainer


async def test_a_writer_that_numbers_gets_credit_and_acknowledgments_and_tells_results(served: Served) -> None:
    trainer = await idle_trainer(served)
    await trainer.send(batch_data=batch())
    await trainer.until_durable()
    assert [r.credit.image_messages for r in trainer.seen if r.HasField("credit")] == [4]
    assert not (await send(served, 0)).HasField("result")
    await trainer.send(command_result=APPLIED)
    assert (await send(served, 20)).result.applied.applied_at_step == 7
    assert not [r for r in await trainer.finish() if r.HasField("rejection")]


async def test_a_writer_that_does_not_number_is_taken_to_obey_once_that_is_known(served: Served) -> None:
    trainer = await idle_trainer(served)
    assert not (await send(served, 0)).HasField("result")
    unnumbered: dict[str, Any] = {"batch_data": batch(3)}
    await trainer.call.write(Request(session_id="run", **unnumbered))
    await trainer.until(lambda response: response.ack.batch_idx == 3)
    assert (await send(served, 20)).result.HasField("applied")
    assert not [r for r in trainer.seen if r.HasField("credit")]
    commands = [r for r in await trainer.finish() if r.HasField("command")]
    assert len(commands) == 1
