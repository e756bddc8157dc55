"""The stream of a training: each message once, in order, acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.telemetry.v1.metric_query_pb2 import QueryMetricsRequest
from catenary.telemetry.v1.telemetry_pb2 import PAYLOAD_CLASS_IMAGE_BATCH, Gap
from catenary_conformance import rpcs
from catenary_conformance.requirement import requirement
from catenary_conformance.trainer import Trainer, batch, samples
from catenary_conformance.watching import records, run_of, watched

if TYPE_CHECKING:
    from catenary_conformance.target import Target


def _indices(target: Target, run_id: str) -> list[int]:
    return [each.batch_idx for each in records(watched(target, run_id, after_sequence=0), "batch_data")]


@requirement("CAT-TEL-007", "CAT-TEL-016")
def test_what_was_acknowledged_as_durable_is_in_the_log_once(target: Target) -> None:
    with Trainer.register(target) as trainer:
        for index in range(20):
            trainer.say(batch_data=batch(index, images=index % 3))
            trainer.say(**samples(float(index), first_step=index))
        trainer.until_durable()
        trainer.finish()
        assert _indices(target, trainer.run_id) == list(range(20))
        query = QueryMetricsRequest(run_id=trainer.run_id, metric_names=["loss"], max_points=100)
        (series,) = rpcs.QUERY_METRICS.ok(target, query).series
        assert list(series.minimums) == list(range(20))


@requirement("CAT-TEL-007", "CAT-TEL-004")
def test_a_writer_that_sends_again_what_it_is_asked_for_leaves_each_message_once(target: Target) -> None:
    with Trainer.register(target) as first:
        sent = [first.message(batch_data=batch(index)) for index in range(10)]
        for message in sent:
            first.stream.send(message)
        first.reply("ack")
        first.leave()
        token = first.registration.resume_token
        second = Trainer.register(target, session_id=first.run_id, resume_token=token)
        for index in range(second.sequence, len(sent) + 1):
            second.say(batch_data=batch(index))
        second.until_durable()
        second.finish()
        assert _indices(target, first.run_id) == list(range(len(sent) + 1))


@requirement("CAT-TEL-008")
def test_a_message_that_comes_again_is_acknowledged_again_and_stored_once(target: Target) -> None:
    with Trainer.register(target) as trainer:
        message = trainer.message(batch_data=batch(1))
        trainer.stream.send(message)
        trainer.until_durable()
        trainer.stream.send(message)
        assert trainer.reply("ack").received_sequence == trainer.sequence
        trainer.finish()
        assert _indices(target, trainer.run_id) == [1]


@requirement("CAT-TEL-009")
def test_a_number_that_is_skipped_ends_the_stream_and_says_where_to_go_on(target: Target) -> None:
    with Trainer.register(target) as trainer:
        trainer.say(batch_data=batch(1))
        trainer.until_durable()
        expected = trainer.sequence + 1
        trainer.sequence += 3
        trainer.say(batch_data=batch(2))
        answer = rpcs.expect_reason(trainer.stream.end(), "SEQ_GAP")
        assert answer.metadata["next_seq"] == str(expected)


@requirement("CAT-TEL-010")
def test_acknowledged_numbers_never_fall_and_nothing_is_durable_before_it_came(target: Target) -> None:
    with Trainer.register(target) as trainer:
        for index in range(40):
            trainer.say(batch_data=batch(index, images=1))
        trainer.until_durable()
        trainer.half_close().expect_ok()
        acks = [each.ack for each in trainer.stream.received if each.HasField("ack")]
        received, durable = [each.received_sequence for each in acks], [each.durable_sequence for each in acks]
        assert received == sorted(received)
        assert durable == sorted(durable)
        assert all(d <= r for d, r in zip(durable, received, strict=True))


@requirement("CAT-TEL-011")
def test_a_writer_without_numbers_gets_one_acknowledgment_for_each_batch(target: Target) -> None:
    with Trainer.register(target) as trainer:
        for index in (3, 4, 5):
            trainer.say_unnumbered(batch_data=batch(index))
        trainer.half_close().expect_ok()
        replies = trainer.stream.received
        acks = [each.ack for each in replies if each.HasField("ack")]
        assert [each.batch_idx for each in acks] == [3, 4, 5]
        assert all(each.success for each in acks)


@requirement("CAT-TEL-014")
def test_heartbeats_are_neither_acknowledged_nor_stored(target: Target) -> None:
    with Trainer.register(target) as trainer:
        trainer.say(batch_data=batch(1))
        trainer.until_durable()
        before = run_of(target, trainer.run_id).last_sequence
        for _ in range(5):
            trainer.heartbeat()
        trainer.say(batch_data=batch(2))
        trainer.until_durable()
        assert run_of(target, trainer.run_id).last_sequence == before + 1
        trainer.half_close().expect_ok()
        acks = [each.ack for each in trainer.stream.received if each.HasField("ack")]
        assert max(each.received_sequence for each in acks) == trainer.sequence


@requirement("CAT-TEL-016")
def test_after_the_last_message_everything_is_acknowledged_and_the_stream_ends_well(target: Target) -> None:
    with Trainer.register(target) as trainer:
        for index in range(10):
            trainer.say(batch_data=batch(index, images=2))
        trainer.half_close().expect_ok()
        last = [each.ack for each in trainer.stream.received if each.HasField("ack")][-1]
        assert (last.received_sequence, last.durable_sequence) == (trainer.sequence, trainer.sequence)


@requirement("CAT-TEL-020")
def test_the_numbers_of_a_gap_count_as_received(target: Target) -> None:
    with Trainer.register(target) as trainer:
        trainer.say(batch_data=batch(1))
        first, last = trainer.sequence + 1, trainer.sequence + 4
        gap = Gap(payload_class=PAYLOAD_CLASS_IMAGE_BATCH, from_sequence=first, to_sequence=last, dropped_count=4)
        trainer.sequence = last
        trainer.say(gap=gap)
        trainer.say(batch_data=batch(6))
        trainer.until_durable()
        dropped = run_of(target, trainer.run_id).dropped
        assert [(each.payload_class, each.count) for each in dropped] == [(PAYLOAD_CLASS_IMAGE_BATCH, 4)]
        trainer.finish()
        assert _indices(target, trainer.run_id) == [1, 6]


@requirement("CAT-TEL-021")
def test_a_writer_that_keeps_to_its_credit_never_sees_the_buffer_full(target: Target) -> None:
    with Trainer.register(target) as trainer:
        trainer.say(batch_data=batch(0))
        credit = trainer.reply("credit")
        assert credit.image_messages > 0
        for index in range(1, 30):
            trainer.say(batch_data=batch(index, images=4))
            if index % credit.image_messages == 0:
                trainer.until_durable()
        trainer.half_close().expect_ok()
