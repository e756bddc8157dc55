"""A schedule: what a client does on one stream, step by step, as data, so that it can be drawn, shrunk and told.

A step says what the client does, never what the server is to answer; what is allowed then, a case decides.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, TypeAlias

from hypothesis import strategies as st

from catenary_conformance.conversation import NotAnswered

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from hypothesis.strategies import SearchStrategy

    from catenary_conformance.answer import Answer
    from catenary_conformance.conversation import Stream
    from catenary_conformance.target import Target

MOST_STEPS = 8
"""Steps of a drawn schedule; a counterexample shrinks to fewer."""
_MOST_WAIT_SECONDS = 0.05


@dataclasses.dataclass(frozen=True, slots=True)
class Send:
    """Send a message."""

    message: Message = dataclasses.field(hash=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Receive:
    """Wait for a response, for at most so long; whether one comes is the server's business."""

    seconds: float = 0.2


@dataclasses.dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for a while."""

    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class HalfClose:
    """Say that no more messages come."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel the call."""


@dataclasses.dataclass(frozen=True, slots=True)
class Drop:
    """Cut the connection."""


Step: TypeAlias = Send | Receive | Wait | HalfClose | Cancel | Drop
Schedule: TypeAlias = tuple[Step, ...]


def schedules(messages: SearchStrategy[Message], *, many: bool) -> SearchStrategy[Schedule]:
    """Schedules of these messages. Every one ends the call: by half-closing, by cancelling, or by cutting it.

    Args:
        messages: what may be sent.
        many: whether the RPC takes many messages; where it takes one, it is sent first, and no more come.
    """
    pause: SearchStrategy[Step] = st.one_of(st.just(Receive()), st.floats(0.0, _MOST_WAIT_SECONDS).map(Wait))
    sends: SearchStrategy[Step] = messages.map(Send)
    between = st.lists(st.one_of(sends, pause) if many else pause, max_size=MOST_STEPS - 2)
    first: SearchStrategy[Schedule] = sends.map(lambda each: (each,) if many else (each, HalfClose()))
    begin = st.one_of(first, st.just((HalfClose(),))) if many else first
    end: SearchStrategy[Step] = st.sampled_from([HalfClose(), Cancel(), Drop()])
    return st.tuples(begin, between, end).map(lambda drawn: (*drawn[0], *drawn[1], drawn[2]))


def play(target: Target, path: str, schedule: Schedule, *, timeout: float) -> Answer:
    """Do what a schedule says on a connection of its own, and return how the call ended.

    Args:
        target: the server.
        path: the RPC.
        schedule: the steps; what comes behind the end of the call is left out.
        timeout: deadline of the call in seconds, before the time factor.

    Raises:
        NotAnswered: the call did not end by its deadline.
    """
    with target.own_channel() as channel, target.stream(path, timeout=timeout, channel=channel) as stream:
        for step in schedule:
            if stream.answer is not None:
                break
            _do(stream, step)
        return stream.end()


def _do(stream: Stream, step: Step) -> None:
    match step:
        case Send(message):
            stream.send(message)
        case Receive(seconds):
            _receive(stream, seconds)
        case Wait(seconds):
            time.sleep(seconds)  # the pause is what the schedule asks for
        case HalfClose():
            stream.half_close()
        case Cancel():
            stream.cancel()
        case Drop():
            stream.drop()


def _receive(stream: Stream, seconds: float) -> None:
    try:
        stream.receive(seconds)
    except NotAnswered:
        return
