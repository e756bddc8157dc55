"""Faults of what viewers see of a run, and of the commands that they send."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import accepts, answers, drop, hears, put, relays, replays, says
from catenary_conformance.faulty.exchange import NOT_FOUND, Answer, refusal
from catenary_conformance.faulty.inference_streams import stays_open
from catenary_conformance.faulty.messages import path
from catenary_conformance.faulty.mutant import mutant
from catenary_conformance.faulty.stand import nonce
from catenary_conformance.faulty.telemetry_writer import COMPLETED, PIXEL, RUNNING, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_conformance.faulty.exchange import Exchange, Fields, Forward
    from catenary_conformance.faulty.stand import Stand

_WATCH, _STREAM, _SEND = "WatchRun", "StreamTelemetry", "SendCommand"
_SLOW = 0.7  # seconds by which acknowledgments are late while somebody watches
_PAUSE, _STOP, _LEARNING_RATE = 1, 3, 5


def without_snapshot(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """The snapshot does not come."""
    return (message for message in messages if not message.HasField("snapshot"))


def snapshot_again(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """The snapshot comes again before the third message."""
    kept = None
    for number, message in enumerate(messages, 1):
        kept = kept or type(message).FromString(message.SerializeToString())
        if number == 3:
            yield kept
        yield message


def every_second_twice(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """Every second event comes twice."""
    for number, message in enumerate(messages, 1):
        yield message
        if number % 2 == 0 and not message.HasField("run_ended"):
            yield message


def second_record_lost(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """The second record of scalars does not come."""
    count = 0
    for message in messages:
        count += message.record.HasField("metric_batch")
        if count != 2 or not message.record.HasField("metric_batch"):
            yield message


def end_without_last(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """The message that the run has ended does not come."""
    return (message for message in messages if not message.HasField("run_ended"))


def waits_for_viewers(exchange: Exchange, forward: Forward) -> Answer:
    """While somebody watches, acknowledgments come late."""
    watching = exchange.memory.take("watching", [])
    original = forward(exchange)
    if exchange.method == path(_WATCH):
        watching.append(exchange.gone)
        return original
    return replace(original, messages=_delayed(original.messages, watching))


def _delayed(messages: Iterator[bytes], watching: list[threading.Event]) -> Iterator[bytes]:
    for message in messages:
        if any(not gone.is_set() for gone in watching):
            time.sleep(_SLOW)
        yield message


def commands_twice(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """Each command reaches the training twice."""
    for message in messages:
        yield message
        if message.HasField("command"):
            yield message


def another_id_each_time(exchange: Exchange, forward: Forward) -> Answer:
    """A command that is sent again is another command."""
    name = exchange.first().command.command_id
    count = exchange.memory.count(name)
    if count == 1 or not name:
        return forward(exchange)
    return hears(put("command.command_id", f"{name[:100]}-{count}"))(exchange, forward)


# Witnesses.


def watched(stand: Stand) -> object:
    """Every message of a watch of a run that ends, from the start and from the second event on."""
    with Writer(stand.call) as writer:
        writer.status(RUNNING)
        for value in (1.0, 2.0, 3.0):
            writer.scalar(value)
        writer.durable(writer.status(COMPLETED))
        writer.end()
    told = []
    for fields in ({"after_sequence": 0}, {"after_sequence": 0, "payload_classes": [1]}):
        with stand.call.open(_WATCH, timeout=2) as talk:
            talk.send(run_id=writer.run, **fields)
            talk.half_close()
            heard = talk.rest()
        told.append(
            (heard.outcome, [(each.WhichOneof("event"), each.record.WhichOneof("payload")) for each in heard.messages])
        )
    return told


def left_out(stand: Stand) -> object:
    """Whether what a watch with few images leaves out is counted."""
    with Writer(stand.call) as writer, stand.call.open(_WATCH, timeout=5) as talk:
        talk.send(run_id=writer.run, image_rate_hz=0.1)
        talk.receive()
        writer.status(RUNNING)
        for index in range(20):
            writer.say(batch_data={"batch_idx": index, "images": [{"image_bytes": PIXEL, "format": "png"}]})
        writer.durable(writer.status(COMPLETED))
        writer.end()
        return any(each.count for message in talk.rest().messages for each in message.dropped)


def beside_a_viewer(stand: Stand) -> object:
    """Whether acknowledgments come at once although somebody watches who does not read."""
    with Writer(stand.call) as writer, stand.call.open(_WATCH) as talk:
        talk.send(run_id=writer.run, after_sequence=0)
        talk.receive()
        began = time.monotonic()
        durable = writer.durable(writer.scalar(1.0))
        return durable, time.monotonic() - began < 0.5


def commanded(stand: Stand) -> object:
    """What a training hears of commands, and what their senders hear: good ones, repeated ones, and bad ones."""
    with Writer(stand.call) as writer:
        writer.durable(writer.status(RUNNING))
        name = nonce()
        rate = {"type": _LEARNING_RATE, "command_id": name, "learning_rate": 0.5}
        asked = [
            rate,
            rate,
            rate | {"learning_rate": 0.25},
            {"type": _LEARNING_RATE, "command_id": nonce(), "learning_rate": 9.0},
            {"type": _STOP, "command_id": nonce()},
        ]
        heard = [stand.call(_SEND, run_id=writer.run, command=each).outcome for each in asked]
        commands = writer.all("command", patience=0.5)
        return heard, [each.command_id == name for each in commands]


def obeyed(stand: Stand) -> object:
    """What the sender and a viewer hear of a command that took effect."""
    with Writer(stand.call) as writer, stand.call.open(_WATCH, timeout=5) as talk:
        talk.send(run_id=writer.run)
        talk.receive()
        writer.durable(writer.status(RUNNING))

        def obey() -> None:
            command = writer.next("command", patience=3)
            if command is not None:
                writer.say(command_result={"command_id": command.command_id, "applied": {"applied_at_step": 3}})

        trainer = threading.Thread(target=obey)
        trainer.start()
        command = {"type": _PAUSE, "command_id": nonce()}
        answer = stand.call(_SEND, run_id=writer.run, command=command, result_timeout={"seconds": 3}).answer
        trainer.join()
        writer.durable(writer.status(COMPLETED))
        writer.end()
        kinds = [(each.WhichOneof("event"), each.record.WhichOneof("payload")) for each in talk.rest().messages]
        return answer.result.applied.applied_at_step, ("record", "command_result") in kinds


def expired(stand: Stand) -> object:
    with Writer(stand.call) as writer:
        writer.durable(writer.status(RUNNING))
        expiry = {"seconds": int(time.time()) + 1}
        command = {"type": _PAUSE, "command_id": nonce(), "expire_time": expiry}
        for _ in range(4):
            writer.bare(heartbeat={})
        answer = stand.call(_SEND, run_id=writer.run, command=command, result_timeout={"seconds": 2}).answer
        return answer.result.WhichOneof("outcome"), answer.result.refused.reason


def after_the_end(stand: Stand) -> object:
    with Writer(stand.call) as writer:
        writer.status(RUNNING)
        writer.durable(writer.status(COMPLETED))
        writer.end()
        return stand.call(_SEND, run_id=writer.run, command={"type": _PAUSE, "command_id": nonce()}).outcome


MUTANTS = (
    mutant(
        "TEL-027", "without-snapshot", _WATCH, "A watch begins without a snapshot.", relays(without_snapshot), watched
    ),
    mutant("TEL-027", "snapshot-again", _WATCH, "A watch has a second snapshot.", relays(snapshot_again), watched),
    mutant("TEL-027", "events-twice", _WATCH, "Every second event comes twice.", relays(every_second_twice), watched),
    mutant(
        "TEL-028", "loses-a-record", _WATCH, "A watch misses a record of scalars.", relays(second_record_lost), watched
    ),
    mutant(
        "TEL-029",
        "does-not-count",
        _WATCH,
        "What a watch leaves out is not counted.",
        answers(drop("dropped")),
        left_out,
    ),
    mutant(
        "TEL-030",
        "waits-for-viewers",
        [_WATCH, _STREAM],
        "Acknowledgments are late while somebody watches.",
        waits_for_viewers,
        beside_a_viewer,
    ),
    mutant(
        "TEL-031",
        "ignores-classes",
        _WATCH,
        "A watch has every class of messages, whichever were asked for.",
        hears(drop("payload_classes")),
        watched,
    ),
    mutant(
        "TEL-031",
        "events-on-request-only",
        _WATCH,
        "A watch has no records of status.",
        relays(lambda _, messages: (each for each in messages if not each.record.HasField("status_update"))),
        watched,
    ),
    mutant("TEL-032", "stays-open", _WATCH, "A watch does not end with its run.", stays_open, watched),
    mutant(
        "TEL-032",
        "ends-without-a-word",
        _WATCH,
        "A watch ends without saying that the run has ended.",
        relays(end_without_last),
        watched,
    ),
    mutant(
        "TEL-036", "commands-twice", _STREAM, "A command reaches the training twice.", relays(commands_twice), commanded
    ),
    mutant(
        "TEL-036",
        "no-result",
        _SEND,
        "The sender does not hear what became of a command.",
        answers(drop("result")),
        obeyed,
    ),
    mutant(
        "TEL-036",
        "hides-results",
        _WATCH,
        "A watch does not tell what became of commands.",
        relays(lambda _, messages: (each for each in messages if not each.record.HasField("command_result"))),
        obeyed,
    ),
    mutant(
        "TEL-037",
        "another-command-each-time",
        _SEND,
        "A command that is sent again has its effect again.",
        another_id_each_time,
        commanded,
    ),
    mutant(
        "TEL-037",
        "any-command-for-an-id",
        _SEND,
        "An id that was used answers its command, whatever comes with it.",
        replays(lambda request: (request.run_id, request.command.command_id) if request.command.command_id else None),
        commanded,
    ),
    mutant(
        "TEL-038",
        "undeclared-is-a-state",
        _SEND,
        "A command that the training did not declare is called a wrong state.",
        says("COMMAND_INVALID", instead=refusal(9, "STATE_INVALID")),
        commanded,
    ),
    mutant(
        "TEL-038",
        "takes-any-command",
        _SEND,
        "A command that the training did not declare is taken.",
        accepts("COMMAND_INVALID"),
        commanded,
    ),
    mutant(
        "TEL-039",
        "never-expires",
        _SEND,
        "A command stays good after its time.",
        hears(drop("command.expire_time")),
        expired,
    ),
    mutant(
        "TEL-040",
        "ended-is-missing",
        _SEND,
        "A run that has ended is called not found.",
        says("STATE_INVALID", instead=refusal(NOT_FOUND, "RUN_NOT_FOUND")),
        after_the_end,
    ),
    mutant(
        "TEL-040",
        "commands-the-dead",
        _SEND,
        "A command to a run that has ended is taken.",
        accepts("STATE_INVALID"),
        after_the_end,
    ),
)
