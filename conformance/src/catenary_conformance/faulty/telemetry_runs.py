"""Faults of runs: how they are registered, found, listed, queried and deleted."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import (
    accepts,
    answers,
    drop,
    drop_last,
    hears,
    put,
    relays,
    replays,
    says,
)
from catenary_conformance.faulty.discovery import reversed_page
from catenary_conformance.faulty.exchange import ABORTED, INVALID_ARGUMENT, refusal
from catenary_conformance.faulty.good_server import HEARTBEAT_SECONDS
from catenary_conformance.faulty.mutant import mutant
from catenary_conformance.faulty.ownership import found_when_deleted, lists_of_all, shown_to_all
from catenary_conformance.faulty.stand import nonce
from catenary_conformance.faulty.telemetry_writer import COMPLETED, PIXEL, RUNNING, Writer, scalars

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_conformance.faulty.caller import Caller
    from catenary_conformance.faulty.exchange import Answer, Exchange, Fields, Forward
    from catenary_conformance.faulty.stand import Stand

_REGISTER = "RegisterTrainingSession"
_INITIALIZING, _LIVE = 1, 1


def any_id(request: Fields) -> None:
    """The id that the client chose does not count, unless it takes a run over."""
    if not request.resume_token:
        request.ClearField("session_id")


def ids_in_a_row(exchange: Exchange, forward: Forward) -> Answer:
    """Where the client chooses no id, runs are called run-1, run-2 and so on."""
    if exchange.first().session_id:
        return forward(exchange)
    name = f"run-{exchange.memory.count('runs')}-{exchange.first().request_id}"[:100].rstrip("-")
    return hears(put("session_id", name))(exchange, forward)


def takes_over(exchange: Exchange, forward: Forward) -> Answer:
    """A run with a live writer is taken over by whoever registers it."""
    tokens = exchange.memory.take("tokens", {})
    request = exchange.first()
    token = tokens.get(request.session_id)

    def keep(response: Fields) -> None:
        tokens[response.session_id] = response.resume_token

    def without_token(asked: Fields) -> None:
        if asked.session_id and not asked.resume_token and token and not asked.request_id:
            asked.resume_token = token

    return hears(without_token)(exchange, lambda passed: answers(keep)(passed, forward))


def first_epoch(exchange: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """The epoch of a run is that of its first writer."""
    for message in messages:
        message.writer_epoch = exchange.memory.take(message.session_id, message.writer_epoch)
        yield message


def falls_back(exchange: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """Every second time that a run is asked for it is INITIALIZING."""
    for message in messages:
        if exchange.memory.count(message.run.run_id) % 2 == 0:
            message.run.status = _INITIALIZING
        yield message


def in_the_middle(response: Fields) -> None:
    """Points that stand for several samples hold a value between the least and the greatest."""
    for series in response.series:
        if series.samples_per_point > 1:
            middle = [(low + high) / 2 for low, high in zip(series.minimums, series.maximums, strict=True)]
            series.minimums[:] = series.maximums[:] = middle


def fewer_points(request: Fields) -> None:
    """A series comes in half as many points as it may have, when these are few."""
    if 1 < request.max_points <= 1000:
        request.max_points //= 2


# Witnesses.


def registered(stand: Stand) -> object:
    """What is said of chosen ids, ids of runs that live, and repeated requests."""
    name, request_id = nonce(), nonce()
    asked: list[dict[str, object]] = [
        {"session_id": name},
        {"session_id": name},
        {"request_id": request_id, "client_name": "a"},
        {"request_id": request_id, "client_name": "a"},
        {"request_id": request_id, "client_name": "b"},
    ]
    with Writer(stand.call, session_id=nonce()) as live:
        live.durable(live.scalar(1.0))
        asked[1] = {"session_id": live.run}
        heard = [stand.call(_REGISTER, **each) for each in asked]
    ids = [each.answer.session_id if each.messages else "" for each in heard]
    return [each.outcome for each in heard], ids[0] == name, ids[2] == ids[3], len(ids[2]) > 20


def resumed(stand: Stand) -> object:
    with Writer(stand.call) as writer:
        for _ in range(3):
            writer.durable(writer.scalar(1.0))
        again = stand.call(_REGISTER, session_id=writer.run, resume_token=writer.registration.resume_token).answer
        return again.resume_from_sequence, again.writer_epoch - writer.epoch


def limits(stand: Stand) -> object:
    """Whether as many images and as large ones as the server states are taken, and not more."""
    with Writer(stand.call) as writer:
        config = writer.registration.server_config
        told = []
        for count in (config.max_images_per_batch, config.max_images_per_batch + 1):
            writer.say(batch_data={"batch_idx": 1, "images": [{"image_bytes": PIXEL, "format": "png"}] * count})
            told.append(writer.next("rejection", patience=0.4) is None)
        return told, config.max_image_dimension


def found(stand: Stand) -> object:
    """How a run looks while it goes on, to others, when it is silent, when it is deleted; and one that never was."""
    with Writer(stand.call) as writer:
        writer.durable(writer.status(RUNNING))
        told = [stand.call("GetRun", run_id=writer.run).answer.run.status for _ in range(2)]
        foreign = stand.other("GetRun", run_id=writer.run).outcome
        live = stand.call("DeleteRun", run_id=writer.run).outcome
    threading.Event().wait(3.5 * HEARTBEAT_SECONDS)
    silent = stand.call("GetRun", run_id=writer.run).answer.run.writer_state
    deleted = stand.call("DeleteRun", run_id=writer.run).outcome
    return (
        told,
        foreign,
        live,
        silent,
        deleted,
        [stand.call("GetRun", run_id=each).outcome for each in (writer.run, "never")],
    )


def listed(stand: Stand) -> object:
    """The runs of two tenants: page by page, by a status, by a tag."""
    mark = nonce()
    for number in range(3):
        _finished(stand.direct, tags={"mark": mark, "number": str(number)})
    _finished(stand.other, tags={"mark": mark})
    stand.other("ListRuns")
    pages: list[str] = []
    token = ""
    while True:
        page = stand.call("ListRuns", page_size=2, page_token=token, tags={"mark": mark}).answer
        pages, token = pages + [each.tags["number"] for each in page.runs], page.next_page_token
        if not token:
            break
    running = stand.call("ListRuns", statuses=[RUNNING], tags={"mark": mark}).answer.runs
    every = stand.call("ListRuns", page_size=1000).answer.runs
    return pages, len(running), sum(each.tags["mark"] == mark for each in every)


def _finished(caller: Caller, **fields: object) -> str:
    with Writer(caller, **fields) as writer:
        writer.status(RUNNING)
        writer.durable(writer.status(COMPLETED))
        writer.end()
        return writer.run


def queried(stand: Stand) -> object:
    """A few values in as many points, in fewer, and together with another metric."""
    with Writer(stand.call) as writer:
        for value in (3.0, 1.0, 2.0, 5.0, 4.0, 6.0, 0.0, 7.0):
            number = writer.scalar(value)
        writer.durable(number)
        whole = scalars(stand.call, writer.run, max_points=8)
        few = stand.call("QueryMetrics", run_id=writer.run, metric_names=["none", "loss"], max_points=2).answer.series
        ends = [(min(each.minimums), max([*each.maximums, *each.minimums])) for each in few if each.minimums]
        return whole, [each.metric_name for each in few], [len(each.minimums) <= 2 for each in few], ends


MUTANTS = (
    mutant("TEL-001", "any-id", _REGISTER, "The id that the client chose does not count.", hears(any_id), registered),
    mutant("TEL-001", "ids-in-a-row", _REGISTER, "Ids that the server makes count up.", ids_in_a_row, registered),
    mutant(
        "TEL-002",
        "takes-over",
        _REGISTER,
        "A run with a live writer is taken over without its token.",
        takes_over,
        registered,
    ),
    mutant(
        "TEL-003",
        "epoch-stays",
        _REGISTER,
        "The epoch of a run is told as it was at first.",
        relays(first_epoch),
        resumed,
    ),
    mutant(
        "TEL-004",
        "resumes-at-the-start",
        _REGISTER,
        "A writer that resumes is asked to begin at 1.",
        answers(put("resume_from_sequence", 1)),
        resumed,
    ),
    mutant(
        "TEL-005",
        "deaf-to-request-ids",
        _REGISTER,
        "A request_id that was used registers again.",
        hears(drop("request_id")),
        registered,
    ),
    mutant(
        "TEL-005",
        "any-body-for-a-request-id",
        _REGISTER,
        "A request_id that was used answers its run, whatever the body.",
        replays(lambda request: request.request_id or None),
        registered,
    ),
    mutant(
        "TEL-006",
        "states-fewer-images",
        _REGISTER,
        "More images are taken than the server states.",
        answers(put("server_config.max_images_per_batch", 4)),
        limits,
    ),
    mutant(
        "TEL-006",
        "states-larger-images",
        _REGISTER,
        "Smaller images are refused than the server states.",
        answers(put("server_config.max_image_dimension", 8192)),
        limits,
    ),
    mutant(
        "TEL-022",
        "skips-at-the-edge-of-a-page",
        "ListRuns",
        "The last run of each page but the last is left out.",
        answers(lambda response: response.next_page_token and drop_last("runs")(response)),
        listed,
    ),
    mutant(
        "TEL-022",
        "oldest-first",
        "ListRuns",
        "Runs of a page come in reverse order.",
        answers(reversed_page("runs")),
        listed,
    ),
    mutant(
        "TEL-023",
        "ignores-statuses",
        "ListRuns",
        "Runs are listed whatever their status.",
        hears(drop("statuses")),
        listed,
    ),
    mutant("TEL-043", "ignores-tags", "ListRuns", "Runs are listed whatever their tags.", hears(drop("tags")), listed),
    mutant(
        "TEL-024",
        "lists-runs-of-others",
        "ListRuns",
        "A list ends with the runs of other principals.",
        lists_of_all("runs"),
        listed,
    ),
    mutant(
        "TEL-025",
        "shows-foreign-runs",
        [_REGISTER, "GetRun"],
        "A run is shown to every principal.",
        shown_to_all("run_id"),
        found,
    ),
    mutant(
        "TEL-025",
        "unknown-is-invalid",
        "GetRun",
        "An unknown run is called an invalid argument.",
        says("RUN_NOT_FOUND", instead=refusal(INVALID_ARGUMENT, "FIELD_INVALID", field_path="run_id")),
        found,
    ),
    mutant(
        "TEL-026",
        "status-goes-backwards",
        "GetRun",
        "A run that was under way is at its beginning the next time.",
        relays(falls_back),
        found,
    ),
    mutant(
        "TEL-044",
        "always-live",
        "GetRun",
        "Every run has a live writer.",
        answers(put("run.writer_state", _LIVE)),
        found,
    ),
    mutant(
        "TEL-033",
        "another-order",
        "QueryMetrics",
        "Series come in reverse order.",
        answers(reversed_page("series")),
        queried,
    ),
    mutant(
        "TEL-033",
        "any-number-of-points",
        "QueryMetrics",
        "Series have as many points as they like.",
        hears(drop("max_points")),
        queried,
    ),
    mutant(
        "TEL-034",
        "loses-peaks",
        "QueryMetrics",
        "The least and the greatest value are not in a series of few points.",
        answers(in_the_middle),
        queried,
    ),
    mutant(
        "TEL-035",
        "always-decimates",
        "QueryMetrics",
        "A short series comes in fewer points than it has samples.",
        hears(fewer_points),
        queried,
    ),
    mutant(
        "TEL-041",
        "still-found",
        ["GetRun", "DeleteRun"],
        "A deleted run is still found.",
        found_when_deleted("run_id", within="run"),
        found,
    ),
    mutant(
        "TEL-042",
        "deletes-live-runs-in-words",
        "DeleteRun",
        "A run with a live writer is said to be deleted.",
        accepts("STATE_INVALID"),
        found,
    ),
    mutant(
        "TEL-042",
        "live-is-superseded",
        "DeleteRun",
        "Deleting a run with a live writer is called superseded.",
        says("STATE_INVALID", instead=refusal(ABORTED, "STREAM_SUPERSEDED")),
        found,
    ),
)
