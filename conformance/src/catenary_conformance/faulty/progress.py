"""Faults of what a run says of itself: its events, their order and its end."""

from __future__ import annotations

import math
import random
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import answers, hears, put, relays, request_for
from catenary_conformance.faulty.inference_streams import stays_open
from catenary_conformance.faulty.messages import path
from catenary_conformance.faulty.mutant import mutant
from catenary_conformance.faulty.training import (
    CANCELLED,
    COMPLETED,
    FAILED,
    GRADIENT,
    PAUSED,
    STATISTICAL,
    goes_on,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from catenary_conformance.faulty.caller import Heard
    from catenary_conformance.faulty.exchange import Answer, Exchange, Fields, Forward
    from catenary_conformance.faulty.stand import Stand

_TRAIN = "Train"
_EVERYWHERE = (_TRAIN, "WatchTraining", "GetTrainStatus")
_TRAIN_CANCELLED = 47  # the reason


def told(message: Fields) -> Fields:
    """The progress in a message of any of the streams, or in a status."""
    if "latest_progress" in message.DESCRIPTOR.fields_by_name:
        return message.latest_progress
    for name in ("progress", "snapshot"):
        if name in message.DESCRIPTOR.fields_by_name and message.HasField(name):
            return getattr(message, name)
    return message


def is_terminal(message: Fields) -> bool:
    """Whether a message is the last of a run."""
    return told(message).status in (COMPLETED, FAILED, CANCELLED)


def without_terminal(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """The last event does not come."""
    return (message for message in messages if not is_terminal(message))


def terminal_twice(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """The last event comes again, with the next number."""
    for message in messages:
        yield message
        if is_terminal(message):
            told(message).sequence += 1
            yield message


def every_fifth_lost(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """Every fifth event but the last does not come."""
    return (message for number, message in enumerate(messages, 1) if number % 5 or is_terminal(message))


def skips_a_batch(message: Fields) -> None:
    """The second batch of a pass is counted as the third."""
    if told(message).batches_done == 2 and not is_terminal(message):
        told(message).batches_done = 3


def every_third_twice(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """Every third event comes twice."""
    for number, message in enumerate(messages, 1):
        yield message
        if number % 3 == 0 and not is_terminal(message):
            yield message


def nth(number: int, edit: Callable[[Fields], object]) -> Callable[[Exchange, Iterator[Fields]], Iterator[Fields]]:
    """A transform: one message of each stream is edited."""

    def transform(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
        for place, message in enumerate(messages, 1):
            if place == number:
                edit(told(message))
            yield message

    return transform


def steps_begin_again(message: Fields) -> None:
    """From the fifth event on, the steps are counted from 0 again."""
    if told(message).sequence > 4:
        told(message).context.global_step = 0


def begins_paused(message: Fields) -> None:
    """The first event says that the run is paused."""
    if told(message).sequence == 1:
        told(message).status = PAUSED


def ends_well(message: Fields) -> None:
    """A run that was stopped is said to be completed."""
    progress = told(message)
    if progress.status == CANCELLED and progress.failure.reason == _TRAIN_CANCELLED:
        progress.status = COMPLETED
        progress.ClearField("failure")


def ignores_bad_losses(message: Fields) -> None:
    """A run whose loss was not finite is said to be completed."""
    progress = told(message)
    if progress.status == FAILED:
        progress.status = COMPLETED
        progress.ClearField("failure")


def noisy(message: Fields) -> None:
    """Losses differ a little from what they are: in every run otherwise, and the same wherever they are told."""
    progress = told(message)
    for name, loss in progress.losses.items():
        if math.isfinite(loss):
            noise = random.Random(f"{progress.run_id} {progress.sequence} {name}")  # noqa: S311 - noise
            progress.losses[name] = loss + noise.uniform(0.001, 0.01)


def beyond_the_end(message: Fields) -> None:
    """The last batch of a pass is counted twice."""
    progress = told(message)
    if progress.batches_total and progress.batches_done == progress.batches_total:
        progress.batches_done += 1


def snapshot_as_progress(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """The first message of a watch is an event like others."""
    for message in messages:
        if message.HasField("snapshot"):
            message.progress.CopyFrom(message.snapshot)
        yield message


def snapshot_again(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """A watch says in the middle again how things stand."""
    for number, message in enumerate(messages, 1):
        if number == 3:
            yield type(message)(snapshot=told(message))
        yield message


def takes_the_run_along(exchange: Exchange, forward: Forward) -> Answer:
    """A watcher that leaves before the end takes the run along."""
    session, finished = exchange.first().session_id, threading.Event()
    original = forward(exchange)

    def watch() -> None:
        exchange.gone.wait()
        if not finished.is_set():
            exchange.call(path("StopTrain"), request_for(path("StopTrain"), session_id=session))

    def messages() -> Iterator[bytes]:
        yield from original.messages
        if not exchange.gone.is_set():  # what is cut ends as well
            finished.set()

    threading.Thread(target=watch, daemon=True).start()
    return replace(original, messages=messages())


# Witnesses.


def _summary(heard: Heard) -> object:
    events = [told(message) for message in heard.messages]
    return heard.outcome, [
        (each.status, each.sequence, each.context.global_step, each.batches_done, each.failure.reason, len(each.run_id))
        for each in events
    ]


def fitting(stand: Stand) -> object:
    """Every event of a statistical run."""
    return _summary(stand.call(_TRAIN, session_id=stand.configured("rx"), trainer_type=STATISTICAL))


def descending(stand: Stand) -> object:
    """Every event of a short gradient run, with its losses."""
    session = stand.fitted("channel_selector", "training.trainer.max_epochs=2")
    heard = stand.call(_TRAIN, session_id=session, trainer_type=GRADIENT)
    losses = [sorted(told(message).losses.items()) for message in heard.messages]
    return _summary(heard), losses


def stopped(stand: Stand) -> object:
    """How a run ends that was stopped."""
    session = stand.unending()
    with stand.call.open(_TRAIN) as talk:
        talk.send(session_id=session, trainer_type=GRADIENT)
        talk.receive()
        stand.direct("StopTrain", session_id=session)
        last = talk.rest().messages[-1]
        return last.status, last.failure.reason


def diverging(stand: Stand) -> object:
    """How a run ends whose loss is not finite."""
    steep = ("name=sgd", "lr=10", "momentum=1.0")
    overrides = [f"training.optimizer.{each}" for each in steep]
    session = stand.fitted(
        "deep_svdd", "pipeline.nodes.pca.params.n_components=4", "training.trainer.max_epochs=300", *overrides
    )
    last = stand.call(_TRAIN, session_id=session, trainer_type=GRADIENT).messages[-1]
    return last.status, last.failure.reason


def watched(stand: Stand) -> object:
    """Every message of watches of a finished run: from the start, and from the third event on."""
    session = stand.fitted("rx")
    told_of = []
    for number in (0, 3):
        with stand.call.open("WatchTraining", timeout=2) as talk:
            talk.send(session_id=session, after_sequence=number)
            talk.half_close()
            heard = talk.rest()
        kinds = [message.WhichOneof("update") for message in heard.messages]
        told_of.append((kinds, _summary(heard)))
    return told_of


def watcher_leaves(stand: Stand) -> object:
    session = stand.unending()
    with stand.direct.open(_TRAIN) as talk:
        talk.send(session_id=session, trainer_type=GRADIENT)
        talk.receive()
        with stand.call.open("WatchTraining") as watch:
            watch.send(session_id=session)
            watch.receive()
        return goes_on(stand, session)


def evaluating(stand: Stand) -> object:
    heard = stand.call("Evaluate", session_id=stand.fitted("rx"), stage=2)
    return _summary(heard), [told(message).context.stage for message in heard.messages]


MUTANTS = (
    mutant(
        "TRN-005",
        "without-terminal",
        _TRAIN,
        "The last event of a run does not come.",
        relays(without_terminal),
        fitting,
    ),
    mutant(
        "TRN-005", "terminal-twice", _TRAIN, "The last event of a run comes twice.", relays(terminal_twice), fitting
    ),
    mutant(
        "TRN-012",
        "no-snapshot",
        "WatchTraining",
        "A watch begins without a snapshot.",
        relays(snapshot_as_progress),
        watched,
    ),
    mutant(
        "TRN-012", "snapshot-again", "WatchTraining", "A watch has a second snapshot.", relays(snapshot_again), watched
    ),
    mutant(
        "TRN-013",
        "from-the-start",
        "WatchTraining",
        "A watch begins at the first event, whichever was asked for.",
        hears(put("after_sequence", 0)),
        watched,
    ),
    mutant(
        "TRN-013",
        "loses-events",
        "WatchTraining",
        "A watch loses every fifth event and does not say so.",
        relays(every_fifth_lost),
        watched,
    ),
    mutant("TRN-014", "stays-open", "WatchTraining", "A watch does not end with its run.", stays_open, watched),
    mutant(
        "TRN-015",
        "takes-the-run-along",
        "WatchTraining",
        "A watcher that leaves ends the run.",
        takes_the_run_along,
        watcher_leaves,
    ),
    mutant(
        "TRN-018",
        "stopped-is-completed",
        _EVERYWHERE,
        "A run that was stopped is said to be completed.",
        answers(ends_well),
        stopped,
    ),
    mutant(
        "TRN-022",
        "terminal-twice",
        "Evaluate",
        "The last event of an evaluation comes twice.",
        relays(terminal_twice),
        evaluating,
    ),
    mutant(
        "TRN-022",
        "another-stage",
        "Evaluate",
        "Events of an evaluation name another stage.",
        answers(lambda message: setattr(message.progress.context, "stage", 1)),
        evaluating,
    ),
    mutant(
        "TRN-032",
        "steps-begin-again",
        _EVERYWHERE,
        "Steps are counted from 0 again in the middle of a run.",
        answers(steps_begin_again),
        descending,
    ),
    mutant("TRN-033", "noisy-losses", _EVERYWHERE, "The same seed gives other losses.", answers(noisy), descending),
    mutant(
        "TRN-034",
        "begins-paused",
        _EVERYWHERE,
        "The first event says that the run is paused.",
        answers(begins_paused),
        fitting,
    ),
    mutant("TRN-035", "numbers-repeat", _TRAIN, "Every third event comes twice.", relays(every_third_twice), fitting),
    mutant(
        "TRN-035",
        "another-run",
        _TRAIN,
        "The second event names another run.",
        relays(nth(2, lambda progress: setattr(progress, "run_id", "other"))),
        fitting,
    ),
    mutant(
        "TRN-036",
        "skips-a-batch",
        _EVERYWHERE,
        "The second batch of a pass is counted as the third.",
        answers(skips_a_batch),
        fitting,
    ),
    mutant(
        "TRN-036",
        "beyond-the-end",
        _EVERYWHERE,
        "One batch more than there are is counted.",
        answers(beyond_the_end),
        fitting,
    ),
    mutant(
        "TRN-037",
        "cancelled-without-reason",
        _EVERYWHERE,
        "A run that was cancelled does not say why.",
        answers(lambda message: told(message).ClearField("failure")),
        stopped,
    ),
    mutant(
        "TRN-038",
        "ignores-bad-losses",
        _EVERYWHERE,
        "A run whose loss is not finite is said to be completed.",
        answers(ignores_bad_losses),
        diverging,
    ),
)
