from __future__ import annotations

import math
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from catenary.telemetry.v1 import command_pb2, training_pb2
from catenary.v1 import error_pb2
from catenary_client.telemetry import Commands, Setting, TrainingStopped
from catenary_client.telemetry.control import Control

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry_server import TelemetryServer

    from catenary_client.telemetry import Run

PAUSE = command_pb2.COMMAND_TYPE_PAUSE_TRAINING
RESUME = command_pb2.COMMAND_TYPE_RESUME_TRAINING
STOP = command_pb2.COMMAND_TYPE_STOP_TRAINING
RATE = command_pb2.COMMAND_TYPE_CHANGE_LEARNING_RATE
SIZE = command_pb2.COMMAND_TYPE_ADJUST_BATCH_SIZE
RUNNING = training_pb2.TRAINING_STATUS_RUNNING
PAUSED = training_pb2.TRAINING_STATUS_PAUSED
SECONDS = 30.0


class Voice:
    def __init__(self) -> None:
        self.results: list[command_pb2.CommandResult] = []
        self.statuses: list[int] = []

    def tell_result(self, result: command_pb2.CommandResult) -> None:
        self.results.append(result)

    def tell_status(self, status: training_pb2.TrainingStatus.ValueType, message: str) -> None:
        assert message
        self.statuses.append(status)


def command(kind: command_pb2.CommandType.ValueType, name: str = "c", **fields: Any) -> command_pb2.ControlCommand:
    return command_pb2.ControlCommand(type=kind, command_id=name, **fields)


def optimizer(*rates: float) -> SimpleNamespace:
    return SimpleNamespace(param_groups=[{"lr": rate} for rate in rates])


def rate_control(voice: Voice, adam: Any) -> Control:
    return Control(Commands(learning_rate=Setting.learning_rate_of(adam, minimum=1e-6, maximum=1.0)), voice)


def test_a_learning_rate_is_changed_in_every_group_and_the_answer_says_when() -> None:
    voice, adam = Voice(), optimizer(0.1, 0.01)
    control = rate_control(voice, adam)
    control.offer(command(RATE, learning_rate=0.5))
    assert control.waiting
    control.obey(step=42)
    assert not control.waiting
    assert [group["lr"] for group in adam.param_groups] == [0.5, pytest.approx(0.05)]
    (result,) = voice.results
    assert result.applied.applied_at_step == 42
    assert result.applied.old_setting.learning_rate == 0.1
    assert result.applied.new_setting.learning_rate == 0.5


@pytest.mark.parametrize(("value", "text"), [(2.0, "above the maximum"), (1e-9, "below the minimum")])
def test_a_value_out_of_bounds_is_refused_with_a_reason(value: float, text: str) -> None:
    voice, adam = Voice(), optimizer(0.1)
    control = rate_control(voice, adam)
    control.offer(command(RATE, learning_rate=value))
    control.obey(step=1)
    assert voice.results[0].refused.reason == error_pb2.ERROR_REASON_COMMAND_INVALID
    assert text in voice.results[0].refused.message
    assert adam.param_groups[0]["lr"] == 0.1


def test_a_setting_may_refuse_a_value_itself() -> None:
    def write(_: float) -> None:
        raise ValueError("the batch must divide the data")

    voice = Voice()
    control = Control(Commands(batch_size=Setting(lambda: 8, write)), voice)
    control.offer(command(SIZE, batch_size=7))
    control.obey(step=1)
    assert voice.results[0].refused.message == "the batch must divide the data"


def test_what_was_not_declared_is_refused() -> None:
    voice = Voice()
    control = Control(Commands.none(), voice)
    control.offer(command(STOP))
    control.obey(step=1)
    assert voice.results[0].refused.reason == error_pb2.ERROR_REASON_COMMAND_INVALID
    assert not control.stopped


def test_an_expired_command_has_no_effect() -> None:
    voice = Voice()
    control = Control(Commands(), voice)
    control.offer(command(STOP), seconds_left=-1.0)
    control.obey(step=1)
    assert voice.results[0].refused.reason == error_pb2.ERROR_REASON_COMMAND_EXPIRED
    assert not control.stopped


def test_a_command_that_comes_twice_has_its_effect_once() -> None:
    voice, adam = Voice(), optimizer(0.1)
    control = rate_control(voice, adam)
    control.offer(command(RATE, "same", learning_rate=0.5))
    control.offer(command(RATE, "same", learning_rate=0.5))
    control.obey(step=1)
    control.offer(command(RATE, "same", learning_rate=0.5))
    control.obey(step=2)
    assert len(voice.results) == 1


def test_commands_of_the_proposal_carry_text_and_get_no_answer() -> None:
    voice, adam = Voice(), optimizer(0.1)
    control = rate_control(voice, adam)
    control.offer(command_pb2.ControlCommand(type=RATE, parameters={"learning_rate": "0.25"}))
    control.offer(command_pb2.ControlCommand(type=RATE, parameters={"learning_rate": "fast"}))
    control.obey(step=1)
    assert adam.param_groups[0]["lr"] == 0.25
    assert voice.results == []


def test_closing_refuses_what_waits() -> None:
    voice = Voice()
    control = Control(Commands(), voice)
    control.offer(command(STOP))
    control.close()
    assert voice.results[0].refused.reason == error_pb2.ERROR_REASON_COMMAND_EXPIRED


def test_the_declaration_names_what_is_allowed_with_its_bounds() -> None:
    declared = Commands(learning_rate=Setting(lambda: 0.1, lambda _: None, minimum=0.5)).capabilities()
    assert [item.type for item in declared] == [PAUSE, RESUME, STOP, RATE]
    assert declared[3].minimum == 0.5
    assert not declared[3].HasField("maximum")
    assert Commands.none().capabilities() == []


def test_a_value_that_is_no_number_is_refused() -> None:
    assert "no finite number" in Setting(lambda: 0, lambda _: None).refusal(math.nan)


def test_a_paused_training_waits_and_obeys_until_it_is_resumed(
    server: TelemetryServer, new_run: Callable[..., Run]
) -> None:
    adam = optimizer(0.1)
    rate = Setting.learning_rate_of(adam)
    done = threading.Event()
    run = new_run(commands=Commands(learning_rate=rate))

    def train() -> None:
        with run:
            while not done.is_set():
                run.log_batch(loss=0.0)
                server.wait_until(lambda: server.run().last >= run.step_count)

    thread = threading.Thread(target=train)
    thread.start()
    server.wait_until(lambda: bool(server.runs) and len(server.run().steps) > 2)
    stored = server.run()
    server.command(stored, "hold", PAUSE)
    server.wait_until(lambda: PAUSED in stored.statuses)
    held_at = run.step_count
    server.command(stored, "slower", RATE, learning_rate=0.05)
    server.wait_until(lambda: len(stored.payloads("command_result")) == 2)
    assert run.step_count == held_at
    server.command(stored, "go", RESUME)
    server.wait_until(lambda: stored.steps[-1] > held_at)
    done.set()
    thread.join(SECONDS)
    results = {item.command_result.command_id: item.command_result for item in stored.payloads("command_result")}
    assert results["hold"].applied.applied_at_step == held_at
    assert results["slower"].applied.applied_at_step == held_at
    assert results["go"].applied.old_setting.status == PAUSED
    assert results["go"].applied.new_setting.status == RUNNING
    assert stored.statuses.count(RUNNING) == 2
    assert adam.param_groups[0]["lr"] == 0.05


def test_a_stop_ends_the_loop_and_the_run_is_cancelled(server: TelemetryServer, new_run: Callable[..., Run]) -> None:
    def train(run: Run) -> None:
        while True:
            run.log_batch(loss=0.0)
            server.wait_until(lambda: server.run().last >= run.step_count)

    with new_run() as run:
        server.wait_until(lambda: bool(server.runs))
        server.command(server.run(), "enough", STOP)
        with pytest.raises(TrainingStopped, match="enough"):
            train(run)
    assert server.run().statuses[-1] == training_pb2.TRAINING_STATUS_CANCELLED


def test_a_loop_may_ask_instead_of_being_interrupted(server: TelemetryServer, new_run: Callable[..., Run]) -> None:
    with new_run(on_stop="return") as run:
        server.wait_until(lambda: bool(server.runs))
        server.command(server.run(), "enough", STOP)
        while run.log_batch(loss=0.0):
            server.wait_until(lambda: server.run().last >= run.step_count)
        assert run.stopped
    assert server.run().statuses[-1] == training_pb2.TRAINING_STATUS_CANCELLED
