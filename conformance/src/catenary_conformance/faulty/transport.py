"""Faults of what holds for every RPC: refusals and their details, sizes, deadlines, what newer clients send."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from google.protobuf.unknown_fields import UnknownFieldSet
from google.rpc.error_details_pb2 import ErrorInfo

from catenary_conformance.faulty.behaviours import ends, invalid, refuses, scripted
from catenary_conformance.faulty.exchange import (
    CANCELLED,
    DATA_LOSS,
    INTERNAL,
    INVALID_ARGUMENT,
    OUT_OF_RANGE,
    RESOURCE_EXHAUSTED,
    UNAVAILABLE,
    UNKNOWN,
    Answer,
    Status,
    ended,
    refusal,
    refused,
)
from catenary_conformance.faulty.messages import UNKNOWN_METHOD, path, request_class
from catenary_conformance.faulty.mutant import mutant
from catenary_conformance.faulty.stand import nonce

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary_conformance.faulty.behaviours import Script
    from catenary_conformance.faulty.exchange import Behaviour, Exchange, Forward
    from catenary_conformance.faulty.stand import Stand

_LARGEST_PAGE = 1000
_LARGE = 1 << 16  # bytes; what is larger is refused for its size
_NEVER = 100.0  # seconds; longer than anybody waits
_SOURCE = 'Traceback (most recent call last):\n  File "/srv/app/sessions.py", line 73, in get\nKeyError: none'


def when(reason: str, instead: Callable[[Status], Status]) -> Behaviour:
    """A refusal for one reason is changed."""
    return ends(lambda status: instead(status) if status.reason == reason else status)


def of_domain(domain: str) -> Callable[[Status], Status]:
    """A change: the error is of another domain."""

    def change(status: Status) -> Status:
        rich, info = status.rich, ErrorInfo()
        for detail in rich.details:
            if detail.Unpack(info):
                info.domain = domain
                detail.Pack(info)
        return status.with_rich(rich)

    return change


def with_trace(status: Status) -> Status:
    """The same refusal with a stack trace in its message."""
    rich = status.rich
    rich.message = _SOURCE
    return replace(status, message=_SOURCE).with_rich(rich)


def oversize(status: Status) -> Status:
    """A message that is too large ends the process that serves it."""
    too_large = status.reason in ("", "MESSAGE_TOO_LARGE") and status.code == RESOURCE_EXHAUSTED
    return Status(UNAVAILABLE, "connection reset") if too_large else status


def deadline_unheeded(exchange: Exchange, forward: Forward) -> Answer:
    """A call with a near deadline is not begun: it ends at once as a defect of the server."""
    hurried = exchange.timeout is not None and exchange.timeout < 1.0
    original = forward(replace(exchange, timeout=_NEVER) if hurried else exchange)
    if not hurried:
        return original
    original.cancel()
    return refused(refusal(INTERNAL, "INTERNAL_BUG"))


def harmed_by_the_lost(exchange: Exchange, forward: Forward) -> Answer:
    """Once a client has cancelled, GetServerInfo is answered that the server is overloaded."""
    if exchange.method == path("GetServerInfo"):
        lost = exchange.memory.get("lost")
        return refused(refusal(UNAVAILABLE, "OVERLOADED")) if lost else forward(exchange)
    original = forward(exchange)

    def script() -> Script:
        finished = False
        try:
            yield from original.messages
            status = original.status()
            finished = status.code != CANCELLED
        finally:
            if not finished:
                exchange.memory.put("lost", value=True)
        return status

    return scripted(original, script())


def after_a_deadline(exchange: Exchange, forward: Forward) -> Answer:
    """Once a call has passed its deadline, GetServerInfo is answered that the server is overloaded."""
    if exchange.method == path("GetServerInfo"):
        late = exchange.memory.get("late")
        return refused(refusal(UNAVAILABLE, "OVERLOADED")) if late else forward(exchange)
    if exchange.timeout is not None and exchange.timeout < 1.0:
        exchange.memory.put("late", value=True)
    return forward(exchange)


def knows_every_field(exchange: Exchange, forward: Forward) -> Answer:
    """A field that the server does not know is refused."""
    request = exchange.first()
    if len(UnknownFieldSet(request)) and request.ByteSize() < _LARGE:
        return refused(invalid(field_path="unknown"))
    return forward(exchange)


def once_in_a_row(exchange: Exchange, forward: Forward) -> Answer:
    """The same request as the one before is refused."""
    content = exchange.first().SerializeToString()
    if content and exchange.memory.get("last") == content:  # what is no message looks like an empty one
        return refused(refusal(RESOURCE_EXHAUSTED, "RATE_LIMITED"))
    exchange.memory.put("last", content)
    return forward(exchange)


def malformed_is_empty(exchange: Exchange, forward: Forward) -> Answer:
    """Bytes that are no message are taken for an empty one."""
    contents, status = ended(forward(exchange))
    if status.reason != "MALFORMED_MESSAGE":
        return Answer(iter(contents), lambda: status)
    return forward(replace(exchange, requests=iter([b""]), _first=None))


def no_details(status: Status) -> Status:
    """The status without anything typed."""
    return Status(status.code, status.message) if status.code else status


# Witnesses.

MALFORMED = b"\x0a\x7f"


def refusals(stand: Stand) -> object:
    """What is said to bytes that are no message, and to a request without what it needs."""
    told = []
    for method in ("ListSessions", "GetSession", "CreateSession", "GetDataset"):
        for content in (MALFORMED, b""):
            heard = stand.call.raw(method, content)
            info = ErrorInfo()
            domains = [info.domain for detail in heard.status.rich.details if detail.Unpack(info)]
            told.append((heard.outcome, heard.status.fields, domains, "Traceback" in heard.status.message))
    return told


def largest_page(stand: Stand) -> object:
    return stand.call("ListSessions", page_size=_LARGEST_PAGE).outcome


def unknown_token(stand: Stand) -> object:
    return stand.call("ListSessions", page_token=nonce()).outcome


def too_large(stand: Stand) -> object:
    return stand.call.raw("GetSession", b"\x82\x7d\x80\x80\x80\x01" + bytes(2 << 20)).status.code


def hurried(stand: Stand) -> object:
    with stand.call.open("StreamInference", timeout=0.2) as talk:
        outcome = talk.rest().outcome
    return outcome, stand.call("GetServerInfo").outcome


def cancelled(stand: Stand) -> object:
    with stand.call.open("StreamInference") as talk:
        talk.send(b"")
        talk.receive()
    with stand.call.open("StreamInference") as talk:
        talk.cut()
    for _ in range(50):
        last = stand.call("GetServerInfo").outcome
    return last


def unknown_field(stand: Stand) -> object:
    content = request_class(path("GetSession"))(session_id=stand.session()).SerializeToString()
    return stand.call.raw("GetSession", content + b"\xf8\xff\xff\x0f\x2a").outcome


def unknown_method(stand: Stand) -> object:
    return stand.call.unknown("/catenary.v1.SessionService/NoSuchCall").outcome


def twice(stand: Stand) -> object:
    return [stand.call("GetParameterSchema", config_type="data").outcome for _ in range(2)]


MUTANTS = (
    mutant(
        "ERR-001",
        "defect-instead-of-invalid",
        "GetSession",
        "A field that breaks its rule is called a defect of the server.",
        when("FIELD_INVALID", lambda _: refusal(INTERNAL, "INTERNAL_BUG")),
        refusals,
    ),
    mutant(
        "ERR-001",
        "exception-instead-of-invalid",
        "GetDataset",
        "A field that breaks its rule ends in an exception.",
        when("FIELD_INVALID", lambda _: Status(UNKNOWN, "Exception calling application: 'dataset_id'")),
        refusals,
    ),
    mutant(
        "ERR-001",
        "does-not-name-the-field",
        "GetSession",
        "A field that breaks its rule is refused without BadRequest.",
        when("FIELD_INVALID", lambda _: refusal(INVALID_ARGUMENT, "FIELD_INVALID")),
        refusals,
    ),
    mutant(
        "ERR-001",
        "names-another-field",
        "GetSession",
        "A field that breaks its rule is refused with the name of another.",
        when("FIELD_INVALID", lambda _: invalid(field_path="page_size")),
        refusals,
    ),
    mutant(
        "ERR-002",
        "refuses-the-largest",
        "ListSessions",
        "The largest page that the rule admits is refused.",
        refuses(invalid(field_path="page_size"), when=lambda request: request.page_size == _LARGEST_PAGE),
        largest_page,
    ),
    mutant(
        "ERR-003",
        "malformed-is-an-exception",
        "ListSessions",
        "Bytes that are no message end in an exception.",
        when("MALFORMED_MESSAGE", lambda _: Status(UNKNOWN, "Exception deserializing request!")),
        refusals,
    ),
    mutant(
        "ERR-003",
        "malformed-drops-the-connection",
        "CreateSession",
        "Bytes that are no message end the connection.",
        when("MALFORMED_MESSAGE", lambda _: Status(UNAVAILABLE, "Socket closed")),
        refusals,
    ),
    mutant(
        "ERR-003",
        "malformed-is-empty",
        "ListSessions",
        "Bytes that are no message are taken for an empty one.",
        malformed_is_empty,
        refusals,
    ),
    mutant(
        "ERR-004",
        "falls-over-large-messages",
        "GetSession",
        "A message above the limit ends the connection.",
        ends(oversize),
        too_large,
    ),
    mutant("ERR-005", "without-reason", "CreateSession", "A refusal has no details.", ends(no_details), refusals),
    mutant(
        "ERR-005",
        "another-domain",
        "CreateSession",
        "The reason of a refusal is of another domain.",
        when("MALFORMED_MESSAGE", of_domain("example.org")),
        refusals,
    ),
    mutant(
        "ERR-005",
        "reason-of-its-own",
        "CreateSession",
        "The reason of a refusal is none of the contract.",
        when("MALFORMED_MESSAGE", lambda _: refusal(INVALID_ARGUMENT, "CANNOT_PARSE")),
        refusals,
    ),
    mutant(
        "ERR-005",
        "another-code-than-the-reason",
        "CreateSession",
        "The reason of a refusal goes with another code.",
        when("MALFORMED_MESSAGE", lambda _: refusal(DATA_LOSS, "MALFORMED_MESSAGE")),
        refusals,
    ),
    mutant(
        "ERR-006",
        "undeclared-code",
        "ListSessions",
        "A page token that is none answers a code that the RPC does not declare.",
        when("FIELD_INVALID", lambda _: refusal(OUT_OF_RANGE, "SHM_RANGE")),
        unknown_token,
    ),
    mutant(
        "ERR-007",
        "shows-its-source",
        "CreateSession",
        "A refusal shows a stack trace.",
        when("MALFORMED_MESSAGE", with_trace),
        refusals,
    ),
    mutant(
        "ERR-011",
        "deadline-is-a-defect",
        "StreamInference",
        "A call whose deadline is near ends as a defect of the server.",
        deadline_unheeded,
        hurried,
    ),
    mutant(
        "ERR-011",
        "late-calls-block",
        ["GetServerInfo", "StreamInference"],
        "After a call that passed its deadline nobody is served.",
        after_a_deadline,
        hurried,
    ),
    mutant(
        "ERR-012",
        "harmed-by-the-lost",
        ["GetServerInfo", "StreamInference"],
        "After a call that was cancelled nobody is served.",
        harmed_by_the_lost,
        cancelled,
    ),
    mutant(
        "ERR-013",
        "knows-every-field",
        "GetSession",
        "A field that the server does not know is refused.",
        knows_every_field,
        unknown_field,
    ),
    mutant(
        "ERR-014",
        "answers-anything",
        UNKNOWN_METHOD,
        "An RPC that there is not ends in a defect of the server.",
        lambda _exchange, _forward: refused(refusal(INTERNAL, "INTERNAL_BUG")),
        unknown_method,
    ),
    mutant(
        "ERR-016",
        "once-in-a-row",
        "GetParameterSchema",
        "The same request is refused when it comes again.",
        once_in_a_row,
        twice,
    ),
)
