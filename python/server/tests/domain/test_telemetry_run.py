from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenary_server.domain.telemetry import (
    Capability,
    Command,
    CommandResult,
    CommandType,
    PayloadClass,
    Registration,
    TrainingStatus,
)
from catenary_server.domain.telemetry_message import Gap, Kind, Message, Scalar, StatusChange
from catenary_server.domain.telemetry_run import KEPT_REQUESTS, Entry, RunState, begin, registration_note


def state() -> RunState:
    return RunState(run_id="run", key="run.1", principal="ann", create_time=1.0)


def entry(position: int, kind: Kind, payload: bytes = b"{}") -> Entry:
    return Entry(position, kind, position * 1_000_000, payload)


def say(run: RunState, kind: Kind, **fields: object) -> tuple[Scalar, ...]:
    message = Message(run_id="run", kind=kind, **fields)  # type: ignore[arg-type] # each has its field's type
    return run.apply(entry(run.position + 1, kind), message)


def register(run: RunState, registration: Registration, *, fresh: bool = True) -> None:
    note = registration_note(run, registration, epoch=run.writer_epoch + 1, fresh=fresh)
    run.apply(entry(run.position + 1, Kind.REGISTERED, note), None)


def test_only_legal_transitions_may_be_reported() -> None:
    legal = {
        ("INITIALIZING", "RUNNING"),
        ("INITIALIZING", "FAILED"),
        ("INITIALIZING", "CANCELLED"),
        ("RUNNING", "PAUSED"),
        ("RUNNING", "COMPLETED"),
        ("RUNNING", "FAILED"),
        ("RUNNING", "CANCELLED"),
        ("PAUSED", "RUNNING"),
        ("PAUSED", "COMPLETED"),
        ("PAUSED", "FAILED"),
        ("PAUSED", "CANCELLED"),
    }
    found = {(a.value, b.value) for a in TrainingStatus for b in TrainingStatus if a is not b and a.may_become(b)}
    assert found == legal


def test_the_first_batch_makes_a_training_run() -> None:
    run = state()
    say(run, Kind.EPOCH)
    assert run.status is TrainingStatus.INITIALIZING
    say(run, Kind.BATCH)
    assert (run.status, run.start_time) == (TrainingStatus.RUNNING, 2.0)


def test_scalars_without_a_step_belong_to_the_step_the_run_is_at() -> None:
    run = state()
    say(run, Kind.BATCH, global_step=7)
    (found,) = say(run, Kind.EPOCH, scalars=(Scalar("average_loss", None, 0.5, 1),))
    assert found.step == 7


def test_steps_are_counted_for_a_training_that_does_not_tell_them() -> None:
    run = state()
    steps = [say(run, Kind.BATCH, scalars=(Scalar("batch_loss", None, 0.5, 1),))[0].step for _ in range(3)]
    assert steps == [1, 2, 3]


def test_a_whole_gap_counts_as_received() -> None:
    run = state()
    run.passed(3)
    say(run, Kind.GAP, gap=Gap(PayloadClass.IMAGE_BATCH, 4, 9, 6))
    assert (run.received, run.gaps, run.dropped) == (9, [], {PayloadClass.IMAGE_BATCH: 6})


@given(st.integers(1, 30), st.integers(2, 30), st.data())
def test_within_a_partial_gap_whatever_arrives_in_order_is_taken(first: int, length: int, data: st.DataObject) -> None:
    last = first + length - 1
    arriving = data.draw(st.sets(st.integers(first, last), min_size=1, max_size=length - 1))
    run = state()
    run.passed(first - 1)
    say(run, Kind.GAP, gap=Gap(PayloadClass.IMAGE_BATCH, first, last, length - len(arriving)))
    for sequence in sorted(arriving):
        assert run.missing_before(sequence) is None
        run.passed(sequence)
    assert run.missing_before(last + 1) is None
    assert run.missing_before(last + 3) == last + 1


def test_a_new_registration_starts_over_and_one_with_a_token_goes_on() -> None:
    run = state()
    capability = Capability(CommandType.CHANGE_LEARNING_RATE, 0.1, 0.2)
    register(run, Registration(tags={"a": "b"}, commands=(capability,), config=b"config"))
    say(run, Kind.STATUS, status=StatusChange(TrainingStatus.FAILED, "why", None))
    assert (run.failure, run.end_time) == ("why", 2.0)
    register(run, Registration(resume_token="t"))  # noqa: S106 - no secret
    assert (run.tags, run.commands, run.config) == ({"a": "b"}, [capability], b"config")
    assert (run.status, run.end_time, run.writer_epoch) == (TrainingStatus.INITIALIZING, None, 2)
    register(run, Registration())
    assert (run.tags, run.commands, run.config) == ({}, [], b"")


def test_the_last_registrations_are_remembered() -> None:
    run = state()
    for number in range(KEPT_REQUESTS + 3):
        register(run, Registration(request_id=f"r{number}", digest="d"))
    assert list(run.requests) == [f"r{number}" for number in range(3, KEPT_REQUESTS + 3)]


@pytest.mark.parametrize("argument", [0.05, 0.3])
def test_capabilities_bound_their_argument(argument: float) -> None:
    bounded = Capability(CommandType.CHANGE_LEARNING_RATE, 0.1, 0.2)
    assert not bounded.allows(argument)
    assert bounded.allows(0.1)
    assert bounded.allows(0.2)
    assert Capability(CommandType.CHANGE_LEARNING_RATE).allows(argument)


def test_a_state_survives_its_text() -> None:
    run = begin(registration_note(state(), Registration(), epoch=1, fresh=True))
    register(run, Registration(tags={"a": "b"}, commands=(Capability(CommandType.PAUSE_TRAINING),), request_id="r"))
    say(run, Kind.IMAGE_BATCH, sequence=1, scalars=(Scalar("batch_loss", 1, 0.5, 1),))
    say(run, Kind.GAP, gap=Gap(PayloadClass.IMAGE_BATCH, 3, 9, 2))
    command = Command("c", CommandType.PAUSE_TRAINING, None, 1.0, 2.0)
    run.apply(entry(4, Kind.COMMAND, json.dumps(dataclasses.asdict(command)).encode()), None)
    assert vars(RunState.from_json(run.to_json())) == vars(run)
    say(run, Kind.RESULT, result=CommandResult("c", b"result"))
    assert not run.open_commands
