"""Faults of runs that are left, stopped and asked for, and of evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import (
    after,
    answers,
    answers_to,
    hears,
    put,
    scripted,
)
from catenary_conformance.faulty.exchange import (
    ABORTED,
    FAILED_PRECONDITION,
    Answer,
    Status,
    answered,
    refusal,
    refused,
)
from catenary_conformance.faulty.messages import path
from catenary_conformance.faulty.mutant import mutant
from catenary_conformance.faulty.stand import cube
from catenary_conformance.faulty.training import COMPLETED, GRADIENT, STATISTICAL, goes_on, is_running, latest

if TYPE_CHECKING:
    from catenary_conformance.faulty.behaviours import Script
    from catenary_conformance.faulty.exchange import Exchange, Fields, Forward
    from catenary_conformance.faulty.stand import Stand

_CONTINUE, _CANCEL = 1, 2


def ends_with_the_session(exchange: Exchange, forward: Forward) -> Answer:
    """The run of a session that is closed ends with a status and no terminal message."""
    original = forward(exchange)

    def script() -> Script:
        for content in original.messages:
            if exchange.response(content).failure.reason == 20:
                return refusal(ABORTED, "SESSION_CLOSING")
            yield content
        return original.status()

    return scripted(original, script())


def stops_in_words(exchange: Exchange, forward: Forward) -> Answer:
    """A stop is accepted, and the run goes on."""
    progress = latest(exchange, exchange.first().session_id)
    if not is_running(progress):
        return forward(exchange)
    response = exchange.response()
    response.accepted, response.run_id = True, progress.run_id
    return answered(response)


def stopped_for_good(exchange: Exchange, forward: Forward) -> Answer:
    """A session whose run was stopped trains no more."""
    stopped = exchange.memory.take("stopped", set())
    if exchange.method == path("StopTrain"):
        request = exchange.first()
        return answers(lambda response: response.accepted and stopped.add(request.session_id))(exchange, forward)
    if exchange.first().session_id in stopped and not is_running(latest(exchange, exchange.first().session_id)):
        return refused(refusal(FAILED_PRECONDITION, "STATE_INVALID"))
    return forward(exchange)


def changes_weights(exchange: Exchange, forward: Forward) -> Answer:
    """After an evaluation the pipeline is built anew from the configuration, without what it had learnt."""
    if exchange.method == path("SetTrainRunConfig"):
        note = after(
            lambda _, request, status: None if status.code else exchange.memory.put(request.session_id, request)
        )
        return note(exchange, forward)
    kept = exchange.memory.get(exchange.first().session_id)

    def rebuild(exchange: Exchange, _: Fields, status: Status) -> None:
        if kept and not status.code:
            exchange.call(path("SetTrainRunConfig"), kept)

    return after(rebuild)(exchange, forward)


def stale_status(exchange: Exchange, forward: Forward) -> Answer:
    """While a session exists, its status is told as it was when a run was first seen."""

    def edit(request: Fields, response: Fields) -> None:
        if response.HasField("latest_progress"):
            response.CopyFrom(exchange.memory.take(request.session_id, response))

    return answers_to(edit)(exchange, forward)


def finished_before_it_began(response: Fields) -> None:
    """Where no run was, one is said to be completed."""
    if not response.HasField("latest_progress"):
        response.latest_progress.status = COMPLETED


# Witnesses.


def left_alone(stand: Stand) -> object:
    """Whether a run goes on without its client, when it may and when it may not."""
    told = []
    for policy in (_CONTINUE, _CANCEL):
        session = stand.unending()
        with stand.call.open("Train") as talk:
            talk.send(session_id=session, trainer_type=GRADIENT, on_disconnect=policy)
            talk.receive()
        told.append(goes_on(stand, session))
        stand.direct("StopTrain", session_id=session)
    return told


def closed(stand: Stand) -> object:
    session = stand.unending()
    with stand.call.open("Train") as talk:
        talk.send(session_id=session, trainer_type=GRADIENT)
        talk.receive()
        stand.direct("CloseSession", session_id=session)
        heard = talk.rest()
        return heard.outcome, heard.messages[-1].status


def stopped(stand: Stand) -> object:
    """What is said of stops, what becomes of the run, and whether the session trains again."""
    session = stand.unending()
    before = stand.call("StopTrain", session_id=session).answer.accepted
    with stand.call.open("Train") as talk:
        talk.send(session_id=session, trainer_type=GRADIENT)
        talk.receive()
        accepted = stand.call("StopTrain", session_id=session).answer.accepted
        going_on = goes_on(stand, session)
        stand.direct("StopTrain", session_id=session)
        again = stand.call("Train", session_id=session, trainer_type=STATISTICAL).outcome
        return before, accepted, going_on, again


def statuses(stand: Stand) -> object:
    """The latest progress before the first run, while one goes on, and after it."""
    session = stand.configured("channel_selector", "training.trainer.max_epochs=100000")
    told = [stand.call("GetTrainStatus", session_id=session).answer.latest_progress.status]
    stand.direct("Train", session_id=session, trainer_type=STATISTICAL)
    told.append(stand.call("GetTrainStatus", session_id=session).answer.latest_progress.status)
    with stand.direct.open("Train") as talk:
        talk.send(session_id=session, trainer_type=GRADIENT)
        talk.receive()
        told.append(stand.call("GetTrainStatus", session_id=session).answer.latest_progress.status)
    return told


def evaluated(stand: Stand) -> object:
    """Whether a pipeline infers the same after it was evaluated."""
    session = stand.session()
    config = {"config_bytes": stand.resolved(session, "rx")}
    stand.call("SetTrainRunConfig", session_id=session, config=config)
    stand.direct("Train", session_id=session, trainer_type=STATISTICAL)
    stand.call("Evaluate", session_id=session, stage=2)
    return stand.direct("Inference", session_id=session, inputs={"cube": cube()}).outcome


MUTANTS = (
    mutant(
        "TRN-011",
        "ends-with-the-session",
        "Train",
        "Closing the session ends the stream of the run without a terminal message.",
        ends_with_the_session,
        closed,
    ),
    mutant(
        "TRN-016",
        "stale-status",
        "GetTrainStatus",
        "The status is that of the first time it was asked for.",
        stale_status,
        statuses,
    ),
    mutant(
        "TRN-017",
        "finished-before-it-began",
        "GetTrainStatus",
        "Before the first run one is said to be completed.",
        answers(finished_before_it_began),
        statuses,
    ),
    mutant(
        "TRN-018", "stops-in-words", "StopTrain", "A stop is accepted, and the run goes on.", stops_in_words, stopped
    ),
    mutant(
        "TRN-019",
        "stops-nothing",
        "StopTrain",
        "A stop with nothing running is accepted.",
        answers(put("accepted", True)),
        stopped,
    ),
    mutant(
        "TRN-020",
        "stopped-for-good",
        ["StopTrain", "Train"],
        "A session whose run was stopped trains no more.",
        stopped_for_good,
        stopped,
    ),
    mutant(
        "TRN-021",
        "changes-weights",
        ["SetTrainRunConfig", "Evaluate"],
        "An evaluation takes away what was learnt.",
        changes_weights,
        evaluated,
    ),
    mutant(
        "TRN-030",
        "ends-with-its-client",
        "Train",
        "A run ends with its client although it may go on.",
        hears(lambda request: request.on_disconnect <= _CONTINUE and put("on_disconnect", _CANCEL)(request)),
        left_alone,
    ),
    mutant(
        "TRN-031",
        "outlives-its-client",
        "Train",
        "A run goes on although it is to end with its client.",
        hears(lambda request: request.on_disconnect == _CANCEL and put("on_disconnect", _CONTINUE)(request)),
        left_alone,
    ),
)
