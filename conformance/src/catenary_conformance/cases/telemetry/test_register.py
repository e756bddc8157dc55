"""Registering a training: ids, retries, one writer at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.telemetry.v1.registration_pb2 import RegisterTrainingSessionRequest
from catenary.telemetry.v1.run_pb2 import WRITER_STATE_LIVE
from catenary_conformance import rpcs
from catenary_conformance.requirement import needs_two_tenants, requirement
from catenary_conformance.trainer import Request, Trainer, batch
from catenary_conformance.watching import run_of

if TYPE_CHECKING:
    from catenary_conformance.target import Target

_RANDOM_CHARACTERS = 16
"""Of an id with 128 random bits, written as densely as bytes."""


@requirement("CAT-TEL-001")
def test_a_free_id_that_the_client_chose_becomes_the_id_of_the_run(target: Target) -> None:
    chosen = target.unique("chosen")
    with Trainer.register(target, session_id=chosen, client_name="a trainer") as trainer:
        assert trainer.run_id == chosen
        assert run_of(target, chosen).client_name == "a trainer"


@requirement("CAT-TEL-001")
def test_an_empty_id_gets_one_that_cannot_be_guessed(target: Target) -> None:
    with Trainer.register(target, session_id="") as one, Trainer.register(target, session_id="") as other:
        assert one.run_id != other.run_id
        assert len(one.run_id) >= _RANDOM_CHARACTERS


@requirement("CAT-TEL-002")
def test_a_run_with_a_live_writer_is_not_given_away_without_its_token(target: Target) -> None:
    with Trainer.register(target) as trainer:
        trainer.say(batch_data=batch(1))
        trainer.until_durable()
        again = RegisterTrainingSessionRequest(session_id=trainer.run_id)
        rpcs.REGISTER.refused(target, again, reason="RUN_EXISTS")
        trainer.say(batch_data=batch(2))
        trainer.until_durable()
        assert run_of(target, trainer.run_id).writer_state == WRITER_STATE_LIVE


@requirement("CAT-TEL-003")
def test_the_token_takes_a_run_over_and_ends_the_stream_of_its_writer(target: Target) -> None:
    with Trainer.register(target) as first:
        first.say(batch_data=batch(1))
        first.until_durable()
        token = first.registration.resume_token
        second = Trainer.register(target, session_id=first.run_id, resume_token=token)
        assert second.registration.writer_epoch > first.registration.writer_epoch
        rpcs.expect_reason(first.stream.end(), "STREAM_SUPERSEDED")
        second.say(batch_data=batch(2))
        second.until_durable()
        second.leave()


@requirement("CAT-TEL-003")
def test_a_token_that_is_not_the_newest_takes_nothing_over(target: Target) -> None:
    with Trainer.register(target) as first:
        token = first.registration.resume_token
        second = Trainer.register(target, session_id=first.run_id, resume_token=token)
        stale = RegisterTrainingSessionRequest(session_id=first.run_id, resume_token=token)
        rpcs.REGISTER.refused(target, stale, reason="STALE_EPOCH")
        second.say(batch_data=batch(1))
        second.until_durable()
        second.leave()


@requirement("CAT-TEL-004")
def test_a_writer_that_comes_back_goes_on_behind_what_is_durable(target: Target) -> None:
    with Trainer.register(target) as first:
        assert first.registration.resume_from_sequence == 1
        for index in range(5):
            first.say(batch_data=batch(index))
        first.until_durable()
        first.leave()
        token = first.registration.resume_token
        second = Trainer.register(target, session_id=first.run_id, resume_token=token)
        assert second.registration.resume_from_sequence == first.sequence + 1


@requirement("CAT-TEL-005")
def test_a_retry_with_the_same_request_id_gets_the_same_epoch(target: Target) -> None:
    run_id, request_id = target.unique("retry"), target.unique("request")
    with Trainer.register(target, session_id=run_id, request_id=request_id) as trainer:
        request = RegisterTrainingSessionRequest(session_id=run_id, request_id=request_id)
        again = rpcs.REGISTER.ok(target, request)
        assert (again.session_id, again.writer_epoch) == (trainer.run_id, trainer.registration.writer_epoch)


@requirement("CAT-TEL-005")
def test_a_retry_without_a_session_id_finds_the_same_run(target: Target) -> None:
    request_id = target.unique("request")
    with Trainer.register(target, session_id="", request_id=request_id) as trainer:
        again = rpcs.REGISTER.ok(target, RegisterTrainingSessionRequest(request_id=request_id))
        assert again.session_id == trainer.run_id


@requirement("CAT-TEL-005")
def test_the_same_request_id_with_another_body_is_a_conflict(target: Target) -> None:
    request_id = target.unique("request")
    with Trainer.register(target, request_id=request_id) as trainer:
        other = RegisterTrainingSessionRequest(session_id=trainer.run_id, request_id=request_id, client_name="another")
        rpcs.REGISTER.refused(target, other, reason="IDEMPOTENCY_CONFLICT")


@requirement("CAT-TEL-002")
@needs_two_tenants
def test_an_id_of_another_principal_is_taken(target: Target, second_token: str) -> None:
    with Trainer.register(target) as trainer:
        request = RegisterTrainingSessionRequest(session_id=trainer.run_id)
        rpcs.REGISTER.refused(target, request, reason="RUN_EXISTS", token=second_token)


@requirement("CAT-TEL-017")
def test_a_message_for_a_run_that_nobody_registered_is_refused(target: Target) -> None:
    numbered = Request(session_id=target.unique("nobody"), batch_data=batch(), sequence=1, writer_epoch=1)
    with rpcs.STREAM_TELEMETRY.open(target, numbered) as stream:
        rpcs.expect_reason(stream.end(), "RUN_NOT_REGISTERED")


@requirement("CAT-TEL-017")
def test_a_writer_without_numbers_is_told_of_it_in_its_own_words_first(target: Target) -> None:
    with rpcs.STREAM_TELEMETRY.open(target, Request(session_id=target.unique("nobody"), batch_data=batch())) as stream:
        rpcs.expect_reason(stream.end(), "RUN_NOT_REGISTERED")
        assert [each.WhichOneof("payload") for each in stream.received] == ["error"]
        error = stream.received[0].error
        assert error.code == error.ERROR_CODE_INVALID_SESSION


@requirement("CAT-TEL-017")
def test_a_stream_cannot_change_to_another_run(target: Target) -> None:
    with Trainer.register(target) as trainer, Trainer.register(target) as other:
        trainer.say(batch_data=batch())
        trainer.until_durable()
        trainer.stream.send(other.message(batch_data=batch()))
        rpcs.expect_reason(trainer.stream.end(), "RUN_NOT_REGISTERED")


@requirement("CAT-TEL-018")
def test_a_stale_epoch_stores_nothing(target: Target) -> None:
    with Trainer.register(target) as first:
        token = first.registration.resume_token
        second = Trainer.register(target, session_id=first.run_id, resume_token=token)
        before = run_of(target, first.run_id).last_sequence
        first.say(batch_data=batch())
        rpcs.expect_reason(first.stream.end(), "STALE_EPOCH")
        assert run_of(target, first.run_id).last_sequence == before
        assert second.registration.resume_from_sequence == 1
