"""Faults of the stream between a training and the server."""

from __future__ import annotations

import math
import queue
import threading
from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import (
    answers,
    drop,
    ends,
    hears,
    overhears,
    relays,
    request_for,
    says,
    scripted,
)
from catenary_conformance.faulty.exchange import (
    INVALID_ARGUMENT,
    Answer,
    refusal,
)
from catenary_conformance.faulty.good_server import HEARTBEAT_SECONDS
from catenary_conformance.faulty.inference_streams import stays_open
from catenary_conformance.faulty.messages import path
from catenary_conformance.faulty.mutant import mutant
from catenary_conformance.faulty.telemetry_writer import PIXEL, RUNNING, Writer, scalars

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_conformance.faulty.behaviours import Script
    from catenary_conformance.faulty.exchange import Exchange, Fields, Forward, Status
    from catenary_conformance.faulty.stand import Stand

_STREAM, _REGISTER = "StreamTelemetry", "RegisterTrainingSession"
_BEAT = 0.2  # seconds between the heartbeats that a fault adds
_CLOSELY = 0.4  # seconds by which the end of a stream may come behind its last message


def third_is_nothing(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """In place of the third message something without content is stored."""
    for number, message in enumerate(messages, 1):
        if number == 3 and not message.HasField("heartbeat"):
            message.performance_data.SetInParent()
        yield message


def samples_twice(message: Fields) -> None:
    """Scalars are stored twice."""
    if message.HasField("metric_batch"):
        message.metric_batch.samples.extend(list(message.metric_batch.samples))


def known_ones_ignored(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """A number that came before is passed over without an answer."""
    highest = 0
    for message in messages:
        if message.HasField("sequence"):
            if message.sequence <= highest:
                continue
            if message.sequence == highest + 1 or not highest:
                highest = message.sequence
        yield message


def without_next(status: Status) -> Status:
    """The status does not say which number is expected."""
    return refusal(status.code, status.reason) if status.reason == "SEQ_GAP" else status


def durable_ahead(message: Fields) -> None:
    """More is said to be durable than was received."""
    if message.ack.HasField("durable_sequence"):
        message.ack.durable_sequence = message.ack.received_sequence + 1


def falls(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """From the third on, each acknowledgment is followed by that of the start."""
    count = 0
    for message in messages:
        yield message
        if message.ack.HasField("received_sequence"):
            count += 1
            if count > 2:
                message.ack.received_sequence = message.ack.durable_sequence = 1
                yield message


def acks_twice(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """Acknowledgments of batches without number come twice."""
    for message in messages:
        yield message
        if message.HasField("ack") and not message.ack.HasField("received_sequence"):
            yield message


def rejection_ends(exchange: Exchange, forward: Forward) -> Answer:
    """A batch that is rejected ends the stream."""
    original = forward(exchange)

    def script() -> Script:
        for content in original.messages:
            message = exchange.response(content)
            if message.HasField("rejection") and not message.rejection.HasField("image_index"):
                original.cancel()
                return refusal(INVALID_ARGUMENT, "FIELD_INVALID", field_path="batch_data.images")
            yield content
        return original.status()

    return scripted(original, script())


def kept_alive(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """Somebody sends heartbeats while the writer is silent."""
    arrived: queue.SimpleQueue[Fields] = queue.SimpleQueue()
    threading.Thread(target=_collect, args=(messages, arrived), daemon=True).start()
    run = ""
    while True:
        try:
            message = arrived.get(timeout=_BEAT)
        except queue.Empty:
            if run:
                yield request_for(path(_STREAM), session_id=run, heartbeat={})
            continue
        if message is None:
            return
        run = run or message.session_id
        yield message


def _collect(messages: Iterator[Fields], arrived: queue.SimpleQueue[Fields]) -> None:
    for message in messages:
        arrived.put(message)
    arrived.put(None)


def last_word_lost(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """An acknowledgment that the end follows closely does not come."""
    arrived: queue.SimpleQueue[Fields] = queue.SimpleQueue()
    threading.Thread(target=_collect, args=(messages, arrived), daemon=True).start()
    held = None
    while True:
        try:
            message = arrived.get(timeout=_CLOSELY if held else None)
        except queue.Empty:
            yield held
            held = None
            continue
        if message is None:
            return
        if held:
            yield held
        held = message if message.ack.HasField("received_sequence") else None
        if not held:
            yield message


def finite_only(message: Fields) -> None:
    """What is no finite number is stored as 0."""
    for sample in message.metric_batch.samples:
        if not math.isfinite(sample.value):
            sample.value = 0.0


def counts_once(message: Fields) -> None:
    """Of what was dropped one message is counted."""
    if message.HasField("gap") and message.gap.dropped_count > 1:
        message.gap.dropped_count = 1


# Witnesses.


def numbered(stand: Stand) -> object:
    """What is stored of a few messages, one of them sent twice, and how the stream ends."""
    with Writer(stand.call) as writer:
        acks = [writer.durable(writer.scalar(value)) for value in (1.0, 2.0, 3.0, float("nan"))]
        writer.all("ack", patience=0.2)
        writer.scalar(2.0, sequence=2)
        again = writer.next("ack") is not None
        outcome = writer.end().outcome
        stored = scalars(stand.direct, writer.run)
        return acks, again, outcome, [str(each) for each in stored]


def acknowledged(stand: Stand) -> object:
    """Whether the numbers of acknowledgments ever fall, and whether more is durable than came."""
    with Writer(stand.call) as writer:
        for _ in range(6):
            writer.durable(writer.scalar(1.0))
        writer.talk.half_close()
        heard = writer.ended()
        acks = [each.ack for each in heard.messages if each.ack.HasField("received_sequence")]
        received = [each.received_sequence for each in acks]
        return received == sorted(received), all(each.durable_sequence <= each.received_sequence for each in acks)


def ended(stand: Stand) -> object:
    """Whether everything is durable once the writer has half-closed."""
    with Writer(stand.call) as writer:
        last = max(writer.scalar(float(value)) for value in range(5))
        writer.talk.half_close()
        acks = [each.ack for each in writer.ended().messages if each.ack.HasField("received_sequence")]
        return bool(acks) and acks[-1].durable_sequence == last


def skipping(stand: Stand) -> object:
    with Writer(stand.call) as writer:
        writer.durable(writer.scalar(1.0))
        writer.scalar(1.0, sequence=9)
        status = writer.ended().status
        return status.code, status.reason, any(b"next_seq" in detail.value for detail in status.rich.details)


def batches(stand: Stand) -> object:
    """What is said of batches without number, of one with too many images, and of one with a bad image."""
    image = {"image_bytes": PIXEL, "format": "png", "width": 1, "height": 1, "channels": 4}
    with Writer(stand.call) as writer:
        writer.say(batch_data={"batch_idx": 1, "images": [image] * 17})
        many = writer.next("rejection")
        told = [many and (many.HasField("sequence"), many.reason)]
        writer.say(batch_data={"batch_idx": 2, "images": [image, image | {"image_bytes": b"none", "width": 9999}]})
        bad = writer.next("rejection")
        told.append(bad and (bad.HasField("image_index"), bad.reason))
        told.append(writer.durable(writer.scalar(1.0)))
    with Writer(stand.call) as other:
        for index in (3, 4):
            other.bare(batch_data={"batch_idx": index})
        return told, [each.batch_idx for each in other.all("ack")]


def silent(stand: Stand) -> object:
    """How streams end on which nothing comes for long, and on which heartbeats come."""
    with Writer(stand.call) as quiet, Writer(stand.call) as beating:
        for writer in (quiet, beating):
            writer.durable(writer.scalar(1.0))
        for _ in range(8):
            beating.bare(heartbeat={})
            threading.Event().wait(HEARTBEAT_SECONDS / 2)
        alive = beating.durable(beating.scalar(2.0))
        return quiet.talk.call.done(), alive


def gaps(stand: Stand) -> object:
    with Writer(stand.call) as writer:
        writer.status(RUNNING)
        gap = {"payload_class": 4, "from_sequence": 3, "to_sequence": 5, "dropped_count": 3}
        writer.say(gap=gap)
        writer.sequence = 5
        durable = writer.durable(writer.scalar(1.0))
        run = stand.call("GetRun", run_id=writer.run).answer.run
        return durable, [(each.payload_class, each.count) for each in run.dropped]


MUTANTS = (
    mutant(
        "TEL-007",
        "loses-a-message",
        _STREAM,
        "A message is acknowledged and not stored.",
        overhears(third_is_nothing),
        numbered,
    ),
    mutant("TEL-007", "stores-twice", _STREAM, "Scalars are stored twice.", hears(samples_twice), numbered),
    mutant(
        "TEL-008",
        "ignores-known-numbers",
        _STREAM,
        "A number that came before is not acknowledged again.",
        overhears(known_ones_ignored),
        numbered,
    ),
    mutant(
        "TEL-009",
        "gap-is-a-field",
        _STREAM,
        "A number that is skipped is called an invalid field.",
        says("SEQ_GAP", instead=refusal(INVALID_ARGUMENT, "FIELD_INVALID", field_path="sequence")),
        skipping,
    ),
    mutant(
        "TEL-009",
        "does-not-say-the-next",
        _STREAM,
        "A number that is skipped is refused without the expected one.",
        ends(without_next),
        skipping,
    ),
    mutant(
        "TEL-010",
        "durable-ahead",
        _STREAM,
        "More is said to be durable than was received.",
        answers(durable_ahead),
        acknowledged,
    ),
    mutant(
        "TEL-010", "acknowledgments-fall", _STREAM, "The numbers of acknowledgments fall.", relays(falls), acknowledged
    ),
    mutant(
        "TEL-011",
        "acknowledges-twice",
        _STREAM,
        "A batch without number is acknowledged twice.",
        relays(acks_twice),
        batches,
    ),
    mutant(
        "TEL-012",
        "rejection-ends-the-stream",
        _STREAM,
        "A batch with too many images ends the stream.",
        rejection_ends,
        batches,
    ),
    mutant(
        "TEL-013",
        "does-not-say-which-image",
        _STREAM,
        "An image is rejected without its index.",
        answers(drop("rejection.image_index")),
        batches,
    ),
    mutant(
        "TEL-014",
        "deaf-to-heartbeats",
        _STREAM,
        "Heartbeats do not keep a stream open.",
        overhears(lambda _, messages: (each for each in messages if not each.HasField("heartbeat"))),
        silent,
    ),
    mutant(
        "TEL-015",
        "waits-for-ever",
        _STREAM,
        "A stream on which nothing comes stays open.",
        overhears(kept_alive),
        silent,
    ),
    mutant(
        "TEL-016", "stays-open", _STREAM, "The stream does not end after the writer half-closed.", stays_open, numbered
    ),
    mutant(
        "TEL-016", "last-word-lost", _STREAM, "The last acknowledgment does not come.", relays(last_word_lost), ended
    ),
    mutant(
        "TEL-019", "finite-numbers-only", _STREAM, "NaN and infinity are stored as 0.", hears(finite_only), numbered
    ),
    mutant("TEL-020", "counts-once", _STREAM, "Of what was dropped one message is counted.", hears(counts_once), gaps),
)
