"""Faults of who may write to a run: writers without a run, with an old epoch, and superseded ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import (
    answers,
    hears,
    relays,
    says,
)
from catenary_conformance.faulty.exchange import (
    ABORTED,
    FAILED_PRECONDITION,
    UNAVAILABLE,
    Answer,
    refusal,
)
from catenary_conformance.faulty.messages import path
from catenary_conformance.faulty.mutant import mutant
from catenary_conformance.faulty.stand import nonce
from catenary_conformance.faulty.telemetry_writer import PATIENCE, Writer

if TYPE_CHECKING:
    from catenary_conformance.faulty.exchange import Exchange, Fields, Forward
    from catenary_conformance.faulty.stand import Stand

_INVALID_SESSION = 1  # code of an error in band
_STREAM, _REGISTER = "StreamTelemetry", "RegisterTrainingSession"


def newest_epoch(exchange: Exchange, forward: Forward) -> Answer:
    """Whatever epoch a writer names, it is taken for the newest."""
    epochs = exchange.memory.take("epochs", {})
    if exchange.method == path(_REGISTER):
        return answers(lambda response: epochs.__setitem__(response.session_id, response.writer_epoch))(
            exchange, forward
        )

    def renew(message: Fields) -> None:
        if message.HasField("writer_epoch"):
            message.writer_epoch = epochs.get(message.session_id, message.writer_epoch)

    return hears(renew)(exchange, forward)


# Witnesses.


def strangers(stand: Stand) -> object:
    """What is said to writers of a run that nobody registered, with and without numbers."""
    told = []
    for fields in ({"sequence": 1, "writer_epoch": 1}, {}):
        with stand.call.open(_STREAM) as talk:
            talk.send(session_id=nonce(), batch_data={"batch_idx": 1}, **fields)
            talk.half_close()
            heard = talk.rest()
            told.append((heard.outcome, [each.WhichOneof("payload") for each in heard.messages]))
    return told


def superseded(stand: Stand) -> object:
    """How the stream of an earlier writer ends, and what one with an old epoch is told."""
    with Writer(stand.call) as writer:
        writer.durable(writer.scalar(1.0))
        token = writer.registration.resume_token
        stand.call(_REGISTER, session_id=writer.run, resume_token=token)
        ended = writer.ended().outcome
    with stand.call.open(_STREAM, timeout=2 * PATIENCE) as talk:
        sample = {"metric_name": "loss", "global_step": 2, "value": 2.0}
        talk.send(session_id=writer.run, sequence=2, writer_epoch=writer.epoch, metric_batch={"samples": [sample]})
        talk.half_close()
        return ended, talk.rest().outcome


MUTANTS = (
    mutant(
        "TEL-017",
        "unregistered-is-stale",
        _STREAM,
        "A writer of a run that nobody registered is called stale.",
        says("RUN_NOT_REGISTERED", instead=refusal(FAILED_PRECONDITION, "STALE_EPOCH")),
        strangers,
    ),
    mutant(
        "TEL-017",
        "says-nothing-in-band",
        _STREAM,
        "A writer without numbers is not told in band that the run is not registered.",
        relays(lambda _, messages: (each for each in messages if each.error.code != _INVALID_SESSION)),
        strangers,
    ),
    mutant(
        "TEL-018",
        "stale-is-superseded",
        _STREAM,
        "A stale epoch is called superseded.",
        says("STALE_EPOCH", instead=refusal(ABORTED, "STREAM_SUPERSEDED")),
        superseded,
    ),
    mutant(
        "TEL-018",
        "takes-any-epoch",
        [_REGISTER, _STREAM],
        "Messages of a stale epoch are stored.",
        newest_epoch,
        superseded,
    ),
    mutant(
        "TEL-003",
        "superseded-is-overloaded",
        _STREAM,
        "The stream of the earlier writer ends as if the server were overloaded.",
        says("STREAM_SUPERSEDED", instead=refusal(UNAVAILABLE, "OVERLOADED")),
        superseded,
    ),
)
