from __future__ import annotations

import hashlib
import re

import pytest

from catenary_server.domain.access import Grant, GrantError, check_principal, digest_of, expand_scopes, new_token

KNOWN = frozenset({"session.read", "session.write", "telemetry.read"})


def test_a_token_carries_256_random_bits_and_no_two_are_alike() -> None:
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(re.fullmatch(r"catenary_[A-Za-z0-9_-]{43}", token) for token in tokens)


def test_what_is_kept_of_a_token_is_its_sha_256() -> None:
    token = new_token()
    assert digest_of(token) == hashlib.sha256(token.encode()).digest()


@pytest.mark.parametrize("text", ["", "secret", "catenary_short", "catenary_" + "A" * 44, "catenary_" + "\u00e4" * 43])
def test_what_could_be_guessed_is_no_token(text: str) -> None:
    assert digest_of(text) is None


@pytest.mark.parametrize("principal", ["alice", "a", "team-7", "alice@example.org", "A" * 64])
def test_principals_that_may_be(principal: str) -> None:
    assert check_principal(principal) == principal


@pytest.mark.parametrize(
    "principal", ["", "anonymous", "Anonymous", ".alice", "a b", "a/b", "A" * 65, "a\nb", "\u00e4"]
)
def test_principals_that_may_not_be(principal: str) -> None:
    with pytest.raises(GrantError):
        check_principal(principal)


@pytest.mark.parametrize(
    ("patterns", "scopes"),
    [
        (["session.read"], {"session.read"}),
        (["session.*"], {"session.read", "session.write"}),
        (["*.read"], {"session.read", "telemetry.read"}),
        (["*.*"], KNOWN),
        (["session.write", "telemetry.*"], {"session.write", "telemetry.read"}),
    ],
)
def test_a_star_stands_for_all_in_either_part(patterns: list[str], scopes: set[str]) -> None:
    assert expand_scopes(patterns, KNOWN) == scopes


@pytest.mark.parametrize("patterns", [[], [""], ["*"], ["session"], ["session.reed"], ["sess*.read"], ["a.b.c"]])
def test_a_pattern_that_fits_nothing_is_refused(patterns: list[str]) -> None:
    with pytest.raises(GrantError):
        expand_scopes(patterns, KNOWN)


def test_a_grant_ends_at_its_time_and_not_before() -> None:
    grant = Grant(digest=b"", principal="alice", scopes=KNOWN, expires=100.0)
    assert not grant.expired(99.9)
    assert grant.expired(100.0)
    assert not Grant(digest=b"", principal="alice", scopes=KNOWN).expired(1e12)
