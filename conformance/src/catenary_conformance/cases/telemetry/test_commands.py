"""Commands reach the training once; what became of them reaches everybody."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from catenary.telemetry.v1 import command_pb2
from catenary.telemetry.v1.command_request_pb2 import SendCommandRequest, SendCommandResponse
from catenary.v1.error_pb2 import ERROR_REASON_COMMAND_EXPIRED
from catenary_conformance import rpcs
from catenary_conformance.requirement import needs_two_tenants, requirement
from catenary_conformance.trainer import Trainer, batch
from catenary_conformance.watching import next_event, next_record, watch

if TYPE_CHECKING:
    from catenary_conformance.target import Target

_RATE = command_pb2.COMMAND_TYPE_CHANGE_LEARNING_RATE
_PAUSE = command_pb2.COMMAND_TYPE_PAUSE_TRAINING
_STOP = command_pb2.COMMAND_TYPE_STOP_TRAINING
_OBEYED = [{"type": _PAUSE}, {"type": _RATE, "minimum": 0.001, "maximum": 0.1}]


def _obedient(target: Target) -> Trainer:
    trainer = Trainer.register(target, commands=_OBEYED)
    trainer.say(batch_data=batch(1))
    trainer.until_durable()
    return trainer


def _asked(target: Target, trainer: Trainer, *, wait: int = 0, **fields: Any) -> SendCommandRequest:  # noqa: ANN401 - of the message
    fields.setdefault("command_id", target.unique("command"))
    command = command_pb2.ControlCommand(**fields)
    return SendCommandRequest(run_id=trainer.run_id, command=command, result_timeout=Duration(seconds=wait))


def _applied(command_id: str, step: int) -> command_pb2.CommandResult:
    old, new = command_pb2.CommandSetting(learning_rate=0.01), command_pb2.CommandSetting(learning_rate=0.02)
    applied = command_pb2.CommandApplied(applied_at_step=step, old_setting=old, new_setting=new)
    return command_pb2.CommandResult(command_id=command_id, applied=applied)


@requirement("CAT-TEL-036")
def test_a_command_reaches_the_training_once_and_its_result_the_sender_and_the_viewers(target: Target) -> None:
    with _obedient(target) as trainer, watch(target, trainer.run_id) as viewer:
        assert viewer.receive().HasField("snapshot")
        request = _asked(target, trainer, wait=20, type=_RATE, learning_rate=0.02)
        with rpcs.SEND_COMMAND.open(target, request) as sending:
            sending.half_close()
            command = trainer.reply("command")
            assert command.command_id == request.command.command_id
            assert command.learning_rate == request.command.learning_rate
            trainer.say(command_result=_applied(command.command_id, 17))
            answer: SendCommandResponse = sending.end().expect_ok()
        assert answer.result.applied.applied_at_step == 17
        assert next_event(viewer, "command").command.command_id == command.command_id
        assert next_record(viewer, "command_result").applied.applied_at_step == 17
        trainer.half_close().expect_ok()
        assert len([each for each in trainer.stream.received if each.HasField("command")]) == 1


@requirement("CAT-TEL-037")
def test_a_command_that_is_sent_again_has_its_effect_once(target: Target) -> None:
    with _obedient(target) as trainer:
        request = _asked(target, trainer, type=_RATE, learning_rate=0.02)
        first = rpcs.SEND_COMMAND.ok(target, request)
        assert not first.HasField("result")
        rpcs.SEND_COMMAND.ok(target, request)
        trainer.reply("command")
        trainer.say(command_result=_applied(request.command.command_id, 3))
        trainer.until_durable()
        again = rpcs.SEND_COMMAND.ok(target, request)
        assert again.result.applied.applied_at_step == 3
        trainer.half_close().expect_ok()
        assert len([each for each in trainer.stream.received if each.HasField("command")]) == 1


@requirement("CAT-TEL-037")
def test_the_id_of_a_command_cannot_be_used_for_another(target: Target) -> None:
    with _obedient(target) as trainer:
        request = _asked(target, trainer, type=_RATE, learning_rate=0.02)
        rpcs.SEND_COMMAND.ok(target, request)
        for fields in ({"type": _RATE, "learning_rate": 0.03}, {"type": _PAUSE}):
            other = _asked(target, trainer, command_id=request.command.command_id, **fields)
            rpcs.SEND_COMMAND.refused(target, other, reason="IDEMPOTENCY_CONFLICT")


@requirement("CAT-TEL-038")
def test_what_the_training_does_not_obey_is_refused_and_not_handed_on(target: Target) -> None:
    with _obedient(target) as trainer:
        for fields in (
            {"type": _STOP},
            {"type": _RATE, "learning_rate": 0.2},
            {"type": _RATE, "learning_rate": 0.0001},
        ):
            rpcs.SEND_COMMAND.refused(target, _asked(target, trainer, **fields), reason="COMMAND_INVALID")
        for bound in (0.001, 0.1):
            rpcs.SEND_COMMAND.ok(target, _asked(target, trainer, type=_RATE, learning_rate=bound))
        trainer.half_close().expect_ok()
        handed = [each.command for each in trainer.stream.received if each.HasField("command")]
        assert [each.learning_rate for each in handed] == [0.001, 0.1]


@requirement("CAT-TEL-039")
def test_a_command_that_had_no_effect_in_time_is_refused_as_expired(target: Target) -> None:
    with _obedient(target) as trainer, watch(target, trainer.run_id) as viewer:
        assert viewer.receive().HasField("snapshot")
        expire = Timestamp()
        expire.FromNanoseconds(time.time_ns() + 300_000_000)
        request = _asked(target, trainer, wait=20, type=_PAUSE, expire_time=expire)
        answer = rpcs.SEND_COMMAND.ok(target, request)
        assert answer.result.refused.reason == ERROR_REASON_COMMAND_EXPIRED
        told = next_record(viewer, "command_result")
        assert (told.command_id, told.WhichOneof("outcome")) == (request.command.command_id, "refused")


@requirement("CAT-TEL-040")
def test_a_training_that_ended_takes_no_command(target: Target) -> None:
    with _obedient(target) as trainer:
        trainer.finish()
        rpcs.SEND_COMMAND.refused(target, _asked(target, trainer, type=_PAUSE), reason="STATE_INVALID")


@requirement("CAT-TEL-036")
def test_a_command_waits_for_a_writer_that_comes_back(target: Target) -> None:
    with _obedient(target) as first:
        first.leave()
        request = _asked(target, first, type=_PAUSE)
        rpcs.SEND_COMMAND.ok(target, request)
        token = first.registration.resume_token
        second = Trainer.register(target, session_id=first.run_id, resume_token=token)
        second.say(batch_data=batch(2))
        assert second.reply("command").command_id == request.command.command_id
        second.leave()


@requirement("CAT-TEL-025")
@needs_two_tenants
def test_another_principals_training_cannot_be_commanded(target: Target, second_token: str) -> None:
    with _obedient(target) as trainer:
        request = _asked(target, trainer, type=_PAUSE)
        rpcs.SEND_COMMAND.refused(target, request, reason="RUN_NOT_FOUND", token=second_token)
