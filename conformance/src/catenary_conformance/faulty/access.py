"""Faults of who may call: tokens that are missing, unknown, or lack the scope."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import accepts, says
from catenary_conformance.faulty.exchange import PERMISSION_DENIED, UNAUTHENTICATED, Answer, ended, refusal
from catenary_conformance.faulty.messages import path
from catenary_conformance.faulty.mutant import mutant

if TYPE_CHECKING:
    from catenary_conformance.faulty.exchange import Exchange, Forward
    from catenary_conformance.faulty.stand import Stand

_STREAM = "WatchRun"
_REFUSED_TOKENS = ("TOKEN_MISSING", "TOKEN_INVALID")


def with_a_token_of_before(exchange: Exchange, forward: Forward) -> Answer:
    """A stream without a token is served by the token of whoever called before."""
    if exchange.method != path(_STREAM):
        contents, status = ended(forward(exchange))
        if status.reason not in _REFUSED_TOKENS:
            exchange.memory.put("token", exchange.metadata)
        return Answer(iter(contents), lambda: status)
    known = exchange.memory.get("token")
    bare = not any(key == "authorization" for key, _ in exchange.metadata)
    return forward(replace(exchange, metadata=known) if bare and known else exchange)


# Witnesses.


def tokens(stand: Stand) -> object:
    """What is said to a caller without a token, with one that nobody has, and with one for something else."""
    stand.call("GetRun", run_id="none")
    unknown = (("authorization", "Bearer nobody"),)
    return [
        [stand.nobody(method, run_id="none").outcome for method in ("GetRun", _STREAM)],
        [stand.nobody.raw(method, b"", metadata=unknown).outcome for method in ("ListSessions", "ListDatasets")],
        [stand.nobody.raw(method, b"").outcome for method in ("ListSessions", "ListDatasets")],
        [stand.low(method).outcome for method in ("ListSessions", "ListDatasets")],
    ]


MUTANTS = (
    mutant(
        "ERR-008",
        "streams-without-token",
        ["GetRun", _STREAM],
        "One stream is served without a token.",
        with_a_token_of_before,
        tokens,
    ),
    mutant(
        "ERR-008",
        "works-without-token",
        "ListSessions",
        "One RPC answers without a token.",
        accepts("TOKEN_MISSING"),
        tokens,
    ),
    mutant(
        "ERR-008",
        "missing-is-invalid",
        "ListDatasets",
        "A token that is missing is called one that is not known.",
        says("TOKEN_MISSING", instead=refusal(UNAUTHENTICATED, "TOKEN_INVALID")),
        tokens,
    ),
    mutant(
        "ERR-009", "takes-any-token", "ListSessions", "One RPC takes every token.", accepts("TOKEN_INVALID"), tokens
    ),
    mutant(
        "ERR-009",
        "unknown-is-forbidden",
        "ListDatasets",
        "A token that is not known is called one without the scope.",
        says("TOKEN_INVALID", instead=refusal(PERMISSION_DENIED, "SCOPE_MISSING")),
        tokens,
    ),
    mutant(
        "ERR-010",
        "takes-any-scope",
        "ListSessions",
        "One RPC does not look at the scopes of a token.",
        accepts("SCOPE_MISSING"),
        tokens,
    ),
    mutant(
        "ERR-010",
        "scope-is-identity",
        "ListDatasets",
        "A token without the scope is called one that is not known.",
        says("SCOPE_MISSING", instead=refusal(UNAUTHENTICATED, "TOKEN_INVALID")),
        tokens,
    ),
)
