"""Faults of runs: how they are set up, begun, joined, left and stopped."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import (
    accepts,
    after,
    answers,
    drop,
    hears,
    put,
    request_for,
    says,
    scripted,
)
from catenary_conformance.faulty.exchange import (
    ABORTED,
    FAILED_PRECONDITION,
    NOT_FOUND,
    Answer,
    Status,
    refusal,
    refused,
)
from catenary_conformance.faulty.loading import ALREADY_TRAINING, loads_spare, stops_training
from catenary_conformance.faulty.messages import path
from catenary_conformance.faulty.mutant import mutant
from catenary_conformance.faulty.stand import nonce

if TYPE_CHECKING:
    from catenary_conformance.faulty.behaviours import Script
    from catenary_conformance.faulty.exchange import Exchange, Fields, Forward
    from catenary_conformance.faulty.stand import Stand

STATISTICAL, GRADIENT = 1, 2
IN_PROGRESS, COMPLETED, FAILED, CANCELLED, PAUSED = 1, 2, 3, 4, 100
_CONTINUE, _CANCEL = 1, 2
_A_WHILE, _LONG, _STEPS = 2.0, 15.0, 3  # seconds after which a run that goes on is believed; events in that time


def latest(exchange: Exchange, session: str) -> Fields:
    """The latest progress of a session's run; None before the first."""
    look = path("GetTrainStatus")
    found, _ = exchange.call(look, request_for(look, session_id=session))
    return found[0].latest_progress if found and found[0].HasField("latest_progress") else None


def is_running(progress: Fields) -> bool:
    """Whether a run goes on."""
    return progress is not None and progress.status in (IN_PROGRESS, PAUSED)


def starts_in_vain(exchange: Exchange, forward: Forward) -> Answer:
    """A run that could not start is told as one that failed, with status OK."""
    original = forward(exchange)

    def script() -> Script:
        count = 0
        for content in original.messages:
            count += 1
            yield content
        status = original.status()
        if count or not status.code:
            return status
        yield exchange.response().__class__(status=FAILED, sequence=1, run_id="run-0").SerializeToString()
        return Status()

    return scripted(original, script())


def joins_nobody(exchange: Exchange, forward: Forward) -> Answer:
    """Train for the phase that runs is refused."""
    request = exchange.first()
    progress = latest(exchange, request.session_id)
    if is_running(progress) and progress.phase == request.trainer_type:
        return refused(ALREADY_TRAINING)
    return forward(exchange)


def joins_any_phase(exchange: Exchange, forward: Forward) -> Answer:
    """Train for another phase than that which runs joins it."""
    progress = latest(exchange, exchange.first().session_id)
    if is_running(progress):
        return hears(put("trainer_type", progress.phase))(exchange, forward)
    return forward(exchange)


def first_body(exchange: Exchange, forward: Forward) -> Answer:
    """Whatever comes with a request_id that was used, the first body counts."""
    request = exchange.first()
    if not request.request_id:
        return forward(exchange)
    kept = exchange.memory.take((request.session_id, request.request_id), request)
    return hears(lambda asked: asked.CopyFrom(kept))(exchange, forward)


# Witnesses.


def configurations(stand: Stand) -> object:
    """What is said of configurations with and without a pipeline, of a bad one, and what is inferred afterwards."""
    session, empty = stand.session(), stand.session()
    whole = stand.resolved(session, "rx")
    bare = whole.replace(b'"pipeline":{', b'"pipeline_":{')
    without = _without_pipeline(whole)
    heard = [
        stand.call("SetTrainRunConfig", session_id=each, config={"config_bytes": content})
        for each, content in ((session, whole), (session, without), (session, bare), (empty, without))
    ]
    told = [(each.outcome, [message.pipeline_from_config for message in each.messages]) for each in heard]
    return told, list(stand.direct("GetPipelineInputs", session_id=session).answer.input_names)


def _without_pipeline(content: bytes) -> bytes:
    fields = json.loads(content)
    del fields["pipeline"]
    return json.dumps(fields).encode()


def beginnings(stand: Stand) -> object:
    """What comes of runs that cannot begin, and of one that has no losses."""
    empty, fitted = stand.session(), stand.fitted("rx")
    heard = [stand.call("Train", session_id=each, trainer_type=kind) for each, kind in ((empty, 1), (fitted, 2))]
    return [(each.outcome, [message.status for message in each.messages]) for each in heard]


def joined(stand: Stand) -> object:
    """What others hear while a run goes on: of the same phase, of another, of an evaluation and a configuration."""
    session = stand.unending()
    with stand.call.open("Train") as talk:
        talk.send(session_id=session, trainer_type=GRADIENT)
        run = talk.receive().run_id
        with stand.call.open("Train", timeout=2) as second:
            second.send(session_id=session, trainer_type=GRADIENT)
            same = getattr(second.receive(), "run_id", "") == run
        other = stand.call("Train", session_id=session, trainer_type=STATISTICAL, timeout=2).outcome
        evaluated = stand.call("Evaluate", session_id=session, stage=2).outcome
        config = {"config_bytes": stand.resolved(session, "rx")}
        told = stand.call("SetTrainRunConfig", session_id=session, config=config).outcome
        return same, other, evaluated, told, goes_on(stand, session)


def goes_on(stand: Stand, session: str) -> bool:
    """Whether the run of a session still steps after a while, by the number of its latest event."""
    numbers, began = set(), time.monotonic()
    while time.monotonic() - began < _LONG:
        progress = stand.direct("GetTrainStatus", session_id=session).answer.latest_progress
        if not is_running(progress):
            return False
        numbers.add(progress.sequence)
        if len(numbers) > _STEPS and time.monotonic() - began > _A_WHILE:
            return True
        threading.Event().wait(0.03)
    return False


def repeated(stand: Stand) -> object:
    """Whether the same request_id joins the run that ended, and what another body is told."""
    session, request_id = stand.configured("rx"), nonce()
    asked = {"session_id": session, "trainer_type": STATISTICAL, "request_id": request_id}
    first, second = (stand.call("Train", **asked).messages[-1].run_id for _ in range(2))
    return first == second, stand.call("Train", **asked, on_disconnect=_CANCEL).outcome


MUTANTS = (
    mutant(
        "TRN-001",
        "says-that-it-kept-the-pipeline",
        "SetTrainRunConfig",
        "A pipeline that was built is not told.",
        answers(put("pipeline_from_config", False)),
        configurations,
    ),
    mutant(
        "TRN-002",
        "refusal-loads-another",
        "SetTrainRunConfig",
        "A refused configuration leaves another pipeline behind.",
        after(loads_spare),
        configurations,
    ),
    mutant(
        "TRN-003",
        "takes-nothing-to-train",
        "SetTrainRunConfig",
        "A configuration without a pipeline is taken where there is none.",
        accepts("STATE_INVALID"),
        configurations,
    ),
    mutant(
        "TRN-004",
        "busy-is-a-state",
        "SetTrainRunConfig",
        "Setting a configuration while the session trains is called a wrong state.",
        says("SESSION_BUSY", instead=ALREADY_TRAINING),
        joined,
    ),
    mutant(
        "TRN-004",
        "refusal-stops-training",
        "SetTrainRunConfig",
        "A configuration that is refused since the session trains ends the run.",
        after(stops_training),
        joined,
    ),
    mutant(
        "TRN-006",
        "starts-in-vain",
        "Train",
        "A run that could not start is told as one that failed.",
        starts_in_vain,
        beginnings,
    ),
    mutant("TRN-007", "joins-nobody", "Train", "Train for the phase that runs is refused.", joins_nobody, joined),
    mutant("TRN-008", "joins-any-phase", "Train", "Train for another phase joins the run.", joins_any_phase, joined),
    mutant(
        "TRN-009",
        "no-pipeline-is-no-run",
        "Train",
        "Train without a pipeline is called not found.",
        says("STATE_INVALID", instead=refusal(NOT_FOUND, "RUN_NOT_FOUND")),
        beginnings,
    ),
    mutant(
        "TRN-010",
        "no-losses-is-a-state",
        "Train",
        "A gradient run without losses is called a wrong state.",
        says("CONFIG_INVALID", instead=refusal(FAILED_PRECONDITION, "STATE_INVALID")),
        beginnings,
    ),
    mutant(
        "TRN-023",
        "busy-evaluation",
        "Evaluate",
        "An evaluation while the session trains is called busy.",
        says("ALREADY_TRAINING", instead=refusal(ABORTED, "SESSION_BUSY")),
        joined,
    ),
    mutant(
        "TRN-028",
        "deaf-to-request-ids",
        "Train",
        "A request_id that was used begins another run.",
        hears(drop("request_id")),
        repeated,
    ),
    mutant(
        "TRN-029",
        "any-body-for-a-request-id",
        "Train",
        "A request_id that was used joins its run, whatever the body.",
        first_body,
        repeated,
    ),
)
