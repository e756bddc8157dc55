"""What a trainer that is killed leaves on the disk reaches the store later: in order, once, and with no holes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from catenary_client.telemetry import Address, send_leftovers

if TYPE_CHECKING:
    from telemetry_server import TelemetryServer

    from catenary_tools.fault_proxy import FaultProxy

PROGRAM = Path(__file__).parent / "doomed_trainer.py"
SPILLED_BYTES = 2_000_000


def train_and_kill(spill: Path, proxy: FaultProxy, *, first: int, steps_after_return: int) -> None:
    """Let a trainer log with the server there, then away, then perhaps there again, and kill it."""
    command = [sys.executable, str(PROGRAM), proxy.address, str(spill), "doomed", str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as trainer:
        assert trainer.stdout is not None
        returned_at = 0
        for line in trainer.stdout:
            step, spilled = map(int, line.split())
            if step == first + 20:
                proxy.refuse(refusing=True)
            if spilled > SPILLED_BYTES and not returned_at:
                returned_at = step
                proxy.refuse(refusing=steps_after_return == 0)
            if returned_at and step >= returned_at + steps_after_return:
                break
        trainer.kill()
    proxy.refuse(refusing=False)


def test_a_trainer_that_is_killed_before_it_hears_its_new_token_leaves_nothing_behind(
    server: TelemetryServer, proxy: FaultProxy, tmp_path: Path
) -> None:
    spill = tmp_path / "spill"
    command = [sys.executable, str(PROGRAM), proxy.address, str(spill), "doomed", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as trainer:
        assert trainer.stdout is not None
        for line in trainer.stdout:
            step, spilled = map(int, line.split())
            if step == 20:
                proxy.refuse(refusing=True)
            if spilled > SPILLED_BYTES:
                break
        server.answers_are_lost = True
        proxy.refuse(refusing=False)
        server.wait_until(lambda: server.run().epoch == 2)
        trainer.kill()
    server.answers_are_lost = False
    (left,) = send_leftovers(Address(target=proxy.address), spill_root=spill)
    assert left.sent
    steps = server.run().steps
    assert steps == sorted(set(steps))
    assert len(steps) * 4 * 3000 > SPILLED_BYTES
    assert not spill.joinpath("doomed").exists()
    assert not server.faults


@pytest.mark.parametrize("steps_after_return", [0, 1, 40])
def test_everything_that_was_on_the_disk_arrives_once_and_in_order(
    server: TelemetryServer, proxy: FaultProxy, tmp_path: Path, steps_after_return: int
) -> None:
    spill, address = tmp_path / "spill", Address(target=proxy.address)
    last = 0
    for _ in range(3):
        train_and_kill(spill, proxy, first=last + 1, steps_after_return=steps_after_return)
        (left,) = send_leftovers(address, spill_root=spill)
        assert left.sent
        steps = server.run().steps
        assert steps == sorted(set(steps))
        loss_steps = [step for _, step, _ in server.run().samples]
        assert loss_steps == sorted(set(loss_steps))
        last = max(steps[-1], loss_steps[-1])
        assert not spill.joinpath("doomed").exists()
    sequences = [request.sequence for request in server.run().stored]
    assert sequences == list(range(1, len(sequences) + 1))
    assert not server.faults
