"""Faults of how sessions live on and end: expiry, closing, and what is left of them."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import (
    accepts,
    after,
    answers,
    hears,
    put,
    relays,
    request_for,
    says,
)
from catenary_conformance.faulty.exchange import UNAVAILABLE, answered, refusal, refused
from catenary_conformance.faulty.messages import path
from catenary_conformance.faulty.mutant import mutant
from catenary_conformance.faulty.sessions import OF_A_SESSION, UNKNOWN_SESSION
from catenary_conformance.faulty.stand import pixels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_conformance.faulty.exchange import Answer, Exchange, Fields, Forward
    from catenary_conformance.faulty.stand import Stand

_LATE = 1.5  # seconds by which a late server is late
SEGMENTS = Path("/dev/shm")  # noqa: S108 - where the system keeps shared memory
_STILL_WORKING = ("SetSessionSearchPaths", "ListConfigs", "GetTrainStatus", "Inference", "StopTrain")


def second_close_fails(exchange: Exchange, forward: Forward) -> Answer:
    """What was closed once is not found by the next CloseSession."""
    closed = exchange.memory.take("closed", set())
    if exchange.first().session_id in closed:
        return refused(UNKNOWN_SESSION)
    return after(lambda _, request, status: None if status.code else closed.add(request.session_id))(exchange, forward)


def closes_late(exchange: Exchange, forward: Forward) -> Answer:
    """The answer of CloseSession comes at once, and its work is done later; until then the session is not found."""
    closing = exchange.memory.take("closing", set())
    session = exchange.first().session_id
    if exchange.method != path("CloseSession"):
        return refused(UNKNOWN_SESSION) if session in closing else forward(exchange)
    if session in closing:
        return answered(exchange.response())
    _, found = exchange.call(path("GetSession"), request_for(path("GetSession"), session_id=session))
    if found.code:
        return forward(exchange)
    closing.add(session)
    exchange.memory.later(
        _LATE, lambda: exchange.call(exchange.method, request_for(exchange.method, session_id=session))
    )
    return answered(exchange.response())


def works_when_closed(exchange: Exchange, forward: Forward) -> Answer:
    """Some calls are answered also when the session was closed."""
    closed = exchange.memory.take("closed", set())
    if exchange.method == path("CloseSession"):
        note = after(lambda _, request, status: None if status.code else closed.add(request.session_id))
        return note(exchange, forward)
    if exchange.first().session_id in closed:
        return answered(exchange.response())
    return forward(exchange)


def expires_at_work(exchange: Exchange, forward: Forward) -> Answer:
    """A session with an idle timeout is closed after it, whether or not a run holds it open."""
    timeouts = exchange.memory.take("timeouts", {})
    if exchange.method == path("CreateSession"):
        seconds = exchange.first().idle_timeout.seconds

        def note(message: Fields) -> None:
            timeouts[message.session_id] = seconds

        return answers(note)(exchange, forward)
    session = exchange.first().session_id
    if timeouts.get(session):
        close = path("CloseSession")
        exchange.memory.later(timeouts[session], lambda: exchange.call(close, request_for(close, session_id=session)))
    return forward(exchange)


def never_expires(exchange: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """Somebody keeps each session alive for a while."""
    for message in messages:
        session = message.session_id
        look = path("GetSession")
        for number in range(1, 31):
            exchange.memory.later(number / 3, partial(exchange.call, look, request_for(look, session_id=session)))
        yield message


def expiry_stands(exchange: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """The time of expiry is told as it was told first."""
    for message in messages:
        if message.session.HasField("expire_time"):
            kept = exchange.memory.take(message.session.session_id, message.session.expire_time)
            message.session.expire_time.CopyFrom(kept)
        yield message


def keeps_segment(exchange: Exchange, forward: Forward) -> Answer:
    """The shared memory of a session is there again after its end, as long as the fault lasts."""
    look = path("GetSession")
    found, _ = exchange.call(look, request_for(look, session_id=exchange.first().session_id))
    name = found[0].session.shared_memory.name.lstrip("/") if found else ""
    if not name:
        return forward(exchange)
    kept = SEGMENTS / f"{name}.kept"
    with contextlib.suppress(OSError):
        os.link(SEGMENTS / name, kept)

    def leave_behind(*_: object) -> None:
        with contextlib.suppress(OSError):
            kept.rename(SEGMENTS / name)
        weakref.finalize(exchange.memory, (SEGMENTS / name).unlink, missing_ok=True)

    return after(leave_behind)(exchange, forward)


# Witnesses.


def closed_twice(stand: Stand) -> object:
    """What each call says about a session that was closed, and closing about one that never was."""
    session = stand.session()
    closes = [stand.call("CloseSession", session_id=session).outcome for _ in range(2)]
    others = [stand.call(method, session_id=session).outcome for method in ("GetTrainStatus", "ListConfigs")]
    return closes, others, stand.call("CloseSession", session_id="never").outcome


def seats_after_closing(stand: Stand) -> object:
    session = stand.ready()
    stand.call("CloseSession", session_id=session)
    return stand.direct("GetServerInfo").answer.limits.sessions.principal.used


def closed_under_a_stream(stand: Stand) -> object:
    session = stand.ready()
    with stand.call.open("StreamInference") as talk:
        talk.send(correlation_id="1", inference={"session_id": session, "inputs": pixels()})
        talk.receive()
        stand.direct("CloseSession", session_id=session)
        return talk.rest().outcome


def expiry_of_the_unused(stand: Stand) -> object:
    """Whether a session with a second to live is gone after it was left alone for two."""
    session = stand.session(stand.call, idle_timeout={"seconds": 1})
    gone = threading.Event()
    gone.wait(2.5)
    return stand.direct("GetSession", session_id=session).outcome


def expiry_moves(stand: Stand) -> object:
    session = stand.session()
    first = stand.call("GetSession", session_id=session).answer.session.expire_time.ToNanoseconds()
    stand.direct("ListConfigs", session_id=session)
    return stand.call("GetSession", session_id=session).answer.session.expire_time.ToNanoseconds() > first


def expiry_of_the_busy(stand: Stand) -> object:
    session = stand.session(stand.call, idle_timeout={"seconds": 1})
    config = {"config_bytes": stand.resolved(session, "channel_selector", "training.trainer.max_epochs=100000")}
    stand.direct("SetTrainRunConfig", session_id=session, config=config)
    stand.direct("Train", session_id=session, trainer_type=1)
    return stand.call("Train", session_id=session, trainer_type=2, timeout=2.5).outcome


def shared_memory_from_afar(stand: Stand) -> object:
    return stand.call("CreateSession", shared_memory_size_bytes=4096).outcome


def segment(stand: Stand) -> object:
    """How long the name of a segment is, and whether the segment outlives its session."""
    made = stand.near("CreateSession", shared_memory_size_bytes=4096).answer.session
    stand.near("CloseSession", session_id=made.session_id)
    name = made.shared_memory.name.lstrip("/")
    return len(name) > 20, (SEGMENTS / name).exists()


MUTANTS = (
    mutant(
        "SES-007", "closes-once", "CloseSession", "Closing a closed session fails.", second_close_fails, closed_twice
    ),
    mutant(
        "SES-006",
        "never-expires",
        "CreateSession",
        "A session outlives its idle timeout.",
        relays(never_expires),
        expiry_of_the_unused,
    ),
    mutant(
        "SES-009",
        "expiry-does-not-move",
        "GetSession",
        "The time of expiry stays, whatever is called.",
        relays(expiry_stands),
        expiry_moves,
    ),
    mutant(
        "SES-009",
        "expires-at-work",
        ["CreateSession", "Train"],
        "A session expires although a run is under way.",
        expires_at_work,
        expiry_of_the_busy,
    ),
    mutant(
        "SES-017",
        "closes-late",
        OF_A_SESSION,
        "CloseSession answers before the worker and the slot are free.",
        closes_late,
        seats_after_closing,
    ),
    mutant(
        "SES-018",
        "works-when-closed",
        ["CloseSession", *_STILL_WORKING],
        "A closed session still takes some calls.",
        works_when_closed,
        closed_twice,
    ),
    mutant(
        "SES-019",
        "closing-is-a-crash",
        ["StreamInference", "Inference", "InferenceChunked", "LoadPipeline"],
        "Work under way in a session that is closed ends as if its worker were lost.",
        says("SESSION_CLOSING", instead=refusal(UNAVAILABLE, "WORKER_CRASHED")),
        closed_under_a_stream,
    ),
    mutant(
        "SES-020",
        "closes-anything",
        "CloseSession",
        "Closing a session that never was succeeds.",
        accepts("SESSION_NOT_FOUND"),
        closed_twice,
    ),
    mutant(
        "SES-021",
        "forgets-shared-memory",
        "CreateSession",
        "Shared memory that the caller cannot have is passed over in silence.",
        hears(put("shared_memory_size_bytes", 0)),
        shared_memory_from_afar,
    ),
    mutant(
        "SES-022",
        "names-segments-plainly",
        "CreateSession",
        "The name of a segment can be guessed.",
        answers(put("session.shared_memory.name", "/segment-1")),
        segment,
        near=True,
    ),
    mutant(
        "SES-023",
        "leaves-segments",
        "CloseSession",
        "The segment of a closed session stays.",
        keeps_segment,
        segment,
        near=True,
    ),
)
