"""Faults of sessions: how they are made, listed and found, and what is searched."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import (
    after,
    answers,
    answers_to,
    drop,
    drop_last,
    hears,
    put,
    relays,
    replays,
    request_for,
    says,
)
from catenary_conformance.faulty.exchange import INVALID_ARGUMENT, NOT_FOUND, UNAVAILABLE, Answer, refusal
from catenary_conformance.faulty.good_server import SESSIONS_OF_ONE_PRINCIPAL
from catenary_conformance.faulty.messages import methods, path, request_class
from catenary_conformance.faulty.mutant import mutant
from catenary_conformance.faulty.ownership import lists_of_all, shown_to_all
from catenary_conformance.faulty.stand import PLAIN, definition, nonce

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_conformance.faulty.exchange import Exchange, Fields, Forward, Status
    from catenary_conformance.faulty.stand import Stand

UNKNOWN_SESSION = refusal(NOT_FOUND, "SESSION_NOT_FOUND")
OF_A_SESSION = tuple(
    method.rsplit("/", 1)[1]
    for method in methods()
    if method.startswith("/catenary.v1.") and "session_id" in request_class(method).DESCRIPTOR.fields_by_name
)
"""Methods whose requests name a session."""


def ids_in_a_row(exchange: Exchange, forward: Forward) -> Answer:
    """Sessions are called session-1, session-2 and so on; the server's own ids stand behind them."""
    real = exchange.memory.take("real", {})
    shown = {each: name for name, each in real.items()}

    def rename(message: Fields, table: dict[str, str]) -> None:
        for field, value in message.ListFields():
            if field.name == "session_id":
                message.session_id = table.get(value, value)
            elif field.message_type and not field.message_type.GetOptions().map_entry:
                for each in value if _is_list(value) else [value]:
                    rename(each, table)

    def outward(message: Fields) -> None:
        if exchange.method == path("CreateSession") and message.session_id not in shown:
            name = f"session-{exchange.memory.count('sessions')}"
            real[name], shown[message.session_id] = message.session_id, name
        rename(message, shown)

    return hears(lambda message: rename(message, real))(exchange, lambda renamed: answers(outward)(renamed, forward))


def loads_elsewhere(exchange: Exchange, request: Fields, status: Status) -> None:
    """What one session loads, the caller's other sessions load as well."""
    if status.code:
        return
    (listed,), _ = exchange.call(path("ListSessions"), request_for(path("ListSessions")))
    for session in [each for each in listed.sessions if each.session_id != request.session_id][-3:]:
        again = request_for(exchange.method, session_id=session.session_id, pipeline=request.pipeline)
        exchange.call(exchange.method, again)


def within_bounds(exchange: Exchange, forward: Forward) -> Answer:
    """An idle timeout that no server has to take, but that the field's rule admits, becomes the default."""
    request = exchange.first()
    seconds = request.idle_timeout.seconds
    (server,), _ = exchange.call(path("GetServerInfo"), request_for(path("GetServerInfo")))
    limits = server.limits.sessions
    outside = not limits.min_idle_timeout.seconds <= seconds <= limits.max_idle_timeout.seconds
    if request.HasField("idle_timeout") and outside and 0 <= seconds <= 2592000:
        return hears(drop("idle_timeout"))(exchange, forward)
    return forward(exchange)


def default_timeout(request: Fields) -> None:
    """An idle timeout within the bounds of the good server becomes the default."""
    if 1 <= request.idle_timeout.seconds <= 86400:
        request.idle_timeout.seconds = 3600


def falls_back(exchange: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """Every second time that a session is asked for, READY is told as IDLE."""
    for message in messages:
        ready = message.session.state == 3
        if ready and exchange.memory.count(message.session.session_id) % 2 == 0:
            message.session.state = 1
        yield message


def nothing_searched(request: Fields, response: Fields) -> None:
    """Where all paths were replaced and none was accepted, nothing is left."""
    if request.HasField("append") and not request.append and len(response.rejected_paths) == len(request.search_paths):
        del response.current_paths[:]


def all_accepted(_: Fields, response: Fields) -> None:
    """Whatever was asked for is said to be searched."""
    response.current_paths.extend(response.rejected_paths)
    del response.rejected_paths[:]


def _is_list(value: object) -> bool:
    return hasattr(value, "append")


# Witnesses.


def made_twice(stand: Stand) -> object:
    """One request_id, twice with the same body and once with another."""
    asked = {"request_id": nonce()}
    first, second = (stand.call("CreateSession", **asked).answer.session_id for _ in range(2))
    other = stand.call("CreateSession", labels={"a": "b"}, **asked)
    return first == second, other.outcome


def look_of_ids(stand: Stand) -> object:
    return bool(re.fullmatch(r"session-\d+", stand.session(stand.call)))


def beyond_the_quota(stand: Stand) -> object:
    made = [stand.call("CreateSession").outcome for _ in range(SESSIONS_OF_ONE_PRINCIPAL + 1)]
    return made[0], made[-1]


def loaded_apart(stand: Stand) -> object:
    one, two = stand.session(), stand.session()
    stand.call("LoadPipeline", session_id=one, pipeline=definition(PLAIN))
    return stand.call("GetPipelineInputs", session_id=two).outcome


def timeouts(stand: Stand) -> object:
    asked = [{"seconds": seconds} for seconds in (100, 500_000)]
    heard = [stand.call("CreateSession", idle_timeout=each) for each in asked]
    return heard[0].answer.session.idle_timeout.seconds, heard[1].outcome


def not_found(stand: Stand) -> object:
    session = stand.session(stand.call)
    return [
        caller("GetSession", session_id=name).outcome for caller in (stand.call, stand.other) for name in (session, "x")
    ]


def asked_again(stand: Stand) -> object:
    session = stand.ready()
    return [stand.call("GetSession", session_id=session).answer.session.state for _ in range(4)]


def listed(stand: Stand) -> object:
    """How many sessions of two tenants are listed: all in one page, page by page, and by a label."""
    for caller, count in ((stand.direct, 3), (stand.other, 2)):
        for number in range(count):
            caller("CreateSession", labels={"number": str(number)})
    stand.other("ListSessions")
    pages, token = 0, ""
    while True:
        page = stand.call("ListSessions", page_size=2, page_token=token).answer
        pages, token = pages + len(page.sessions), page.next_page_token
        if not token:
            break
    whole = stand.call("ListSessions").answer.sessions
    return len(whole), pages, len(stand.call("ListSessions", labels={"number": "1"}).answer.sessions)


def searched(stand: Stand) -> object:
    session = stand.session()
    roots = list(stand.direct("GetSession", session_id=session).answer.session.search_paths)
    inside = f"{roots[0]}/trainrun"
    steps: list[dict[str, object]] = [
        {"search_paths": ["/elsewhere"]},
        {"search_paths": ["/elsewhere"], "append": False},
        {"search_paths": [inside], "append": False},
        {"search_paths": roots},
    ]
    heard = [stand.call("SetSessionSearchPaths", session_id=session, **step).answer for step in steps]
    return [(list(each.current_paths), list(each.rejected_paths)) for each in heard]


MUTANTS = (
    mutant(
        "SES-001",
        "ids-in-a-row",
        ["CreateSession", "ListSessions", "RestoreTrainRun", "StreamInference", "InferenceChunked", *OF_A_SESSION],
        "Ids of sessions count up.",
        ids_in_a_row,
        look_of_ids,
    ),
    mutant(
        "SES-002",
        "deaf-to-request-ids",
        "CreateSession",
        "Every call makes a session, whatever its request_id.",
        hears(drop("request_id")),
        made_twice,
    ),
    mutant(
        "SES-003",
        "any-body-for-a-request-id",
        "CreateSession",
        "A request_id that was used answers the first session, whatever the body.",
        replays(lambda request: request.request_id or None),
        made_twice,
    ),
    mutant(
        "SES-004",
        "unavailable-beyond-the-quota",
        "CreateSession",
        "Beyond the limit of sessions the server says that it is overloaded.",
        says("QUOTA_SESSIONS", instead=refusal(UNAVAILABLE, "OVERLOADED")),
        beyond_the_quota,
    ),
    mutant(
        "SES-004",
        "error-without-reason-beyond-the-quota",
        "CreateSession",
        "Beyond the limit of sessions the server names another quota.",
        says("QUOTA_SESSIONS", instead=refusal(8, "QUOTA_RPCS")),
        beyond_the_quota,
    ),
    mutant(
        "SES-005",
        "loads-into-all-sessions",
        "LoadPipeline",
        "A pipeline is loaded into the caller's other sessions too.",
        after(loads_elsewhere),
        loaded_apart,
    ),
    mutant(
        "SES-006",
        "takes-any-idle-timeout",
        "CreateSession",
        "An idle timeout out of bounds becomes the default.",
        within_bounds,
        timeouts,
    ),
    mutant(
        "SES-006",
        "ignores-idle-timeouts",
        "CreateSession",
        "Every session has the default idle timeout.",
        hears(default_timeout),
        timeouts,
    ),
    mutant(
        "SES-008",
        "unknown-is-invalid",
        "GetSession",
        "An unknown session is called an invalid argument.",
        says("SESSION_NOT_FOUND", instead=refusal(INVALID_ARGUMENT, "FIELD_INVALID", field_path="session_id")),
        not_found,
    ),
    mutant(
        "SES-008",
        "shows-foreign-sessions",
        ["CreateSession", "GetSession"],
        "A session is shown to every principal.",
        shown_to_all("session_id"),
        not_found,
    ),
    mutant(
        "SES-010",
        "state-goes-backwards",
        "GetSession",
        "A session that was READY is IDLE the next time.",
        relays(falls_back),
        asked_again,
    ),
    mutant(
        "SES-011",
        "lists-sessions-of-others",
        "ListSessions",
        "A list ends with the sessions of other principals.",
        lists_of_all("sessions"),
        listed,
    ),
    mutant(
        "SES-012",
        "skips-at-the-edge-of-a-page",
        "ListSessions",
        "The last session of each page but the last is left out.",
        answers(lambda response: response.next_page_token and drop_last("sessions")(response)),
        listed,
    ),
    mutant(
        "SES-013",
        "ignores-labels",
        "ListSessions",
        "A list by labels holds every session.",
        hears(drop("labels")),
        listed,
    ),
    mutant(
        "SES-014",
        "searches-anywhere",
        "SetSessionSearchPaths",
        "A path outside the roots is said to be searched.",
        answers_to(all_accepted),
        searched,
    ),
    mutant(
        "SES-015",
        "searches-nothing",
        "SetSessionSearchPaths",
        "Without an accepted path nothing is searched.",
        answers_to(nothing_searched),
        searched,
    ),
    mutant(
        "SES-016",
        "always-appends",
        "SetSessionSearchPaths",
        "Paths are appended also when they are to replace.",
        hears(drop("append")),
        searched,
    ),
    mutant(
        "SES-016",
        "always-replaces",
        "SetSessionSearchPaths",
        "Paths replace the former ones also when append is unset.",
        hears(put("append", False)),
        searched,
    ),
)
