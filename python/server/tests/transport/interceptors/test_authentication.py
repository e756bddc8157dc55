from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

import pytest
from wire_client import method

from catenary_server.domain.access import Grant, digest_of, new_token
from catenary_server.domain.failure import Failure
from catenary_server.transport.interceptors.authentication import TokenAuthenticator, contract_scopes
from catenary_server.transport.methods import contract_methods

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = 1000.0


def grant(
    token: str, scopes: set[str], expires: float | None = None, principal: str = "alice"
) -> Mapping[bytes, Grant]:
    digest = digest_of(token)
    assert digest is not None
    return {digest: Grant(digest=digest, principal=principal, scopes=frozenset(scopes), expires=expires)}


def bearer(token: str) -> Mapping[str, str]:
    return {"authorization": f"Bearer {token}"}


def reason(authenticator: TokenAuthenticator, metadata: Mapping[str, str | bytes], rpc: str = "GetSession") -> str:
    with pytest.raises(Failure) as refused:
        authenticator.authenticate(method(rpc), metadata)
    return refused.value.reason


@pytest.fixture
def token() -> str:
    return new_token()


@pytest.fixture
def authenticator(token: str) -> TokenAuthenticator:
    return TokenAuthenticator(grant(token, {"session.read"}), clock=lambda: NOW)


def test_the_holder_of_a_token_is_its_principal(authenticator: TokenAuthenticator, token: str) -> None:
    assert authenticator.authenticate(method("GetSession"), bearer(token)) == "alice"
    assert authenticator.authenticate(method("GetSession"), {"authorization": f"bearer {token}"}) == "alice"


def test_a_call_without_a_token_is_told_to_send_one(authenticator: TokenAuthenticator) -> None:
    assert reason(authenticator, {}) == "TOKEN_MISSING"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer nonsense", "Basic YTpi", b"\xff"])
def test_what_is_no_token_is_invalid(authenticator: TokenAuthenticator, header: str | bytes) -> None:
    assert reason(authenticator, {"authorization": header}) == "TOKEN_INVALID"


def test_an_unknown_token_is_invalid_as_one_without_its_scheme(authenticator: TokenAuthenticator, token: str) -> None:
    assert reason(authenticator, bearer(new_token())) == "TOKEN_INVALID"
    assert reason(authenticator, {"authorization": token}) == "TOKEN_INVALID"
    assert reason(authenticator, bearer(f"{token} ")) == "TOKEN_INVALID"


def test_a_token_is_expired_from_its_end_on(token: str) -> None:
    past = TokenAuthenticator(grant(token, {"session.read"}, expires=NOW), clock=lambda: NOW)
    assert reason(past, bearer(token)) == "TOKEN_EXPIRED"
    valid = TokenAuthenticator(grant(token, {"session.read"}, expires=NOW + 1), clock=lambda: NOW)
    assert valid.authenticate(method("GetSession"), bearer(token)) == "alice"


def test_a_scope_that_is_missing_is_named(authenticator: TokenAuthenticator, token: str) -> None:
    with pytest.raises(Failure, match=r"session\.write") as refused:
        authenticator.authenticate(method("CreateSession"), bearer(token))
    assert (refused.value.reason, refused.value.metadata) == ("SCOPE_MISSING", {"scope": "session.write"})


def test_an_rpc_without_a_scope_is_denied_to_everyone(token: str) -> None:
    everything = TokenAuthenticator(grant(token, set(contract_scopes())))
    undeclared = dataclasses.replace(method("GetSession"), scope="")
    with pytest.raises(Failure) as refused:
        everything.authenticate(undeclared, bearer(token))
    assert refused.value.reason == "SCOPE_MISSING"


def test_every_rpc_of_the_contract_declares_a_scope() -> None:
    assert all(each.scope in contract_scopes() for each in contract_methods().values())


def test_replaced_tokens_are_unknown_at_once(authenticator: TokenAuthenticator, token: str) -> None:
    other = new_token()
    authenticator.replace(grant(other, {"session.read"}, principal="bob"))
    assert reason(authenticator, bearer(token)) == "TOKEN_INVALID"
    assert authenticator.authenticate(method("GetSession"), bearer(other)) == "bob"


def test_no_failure_and_no_log_line_holds_a_token(
    authenticator: TokenAuthenticator, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = new_token()
    with caplog.at_level(logging.DEBUG):
        for rpc, presented in (("CreateSession", token), ("GetSession", unknown), ("GetSession", f"x{unknown}")):
            with pytest.raises(Failure) as refused:
                authenticator.authenticate(method(rpc), bearer(presented))
            assert presented not in str(vars(refused.value))
            assert presented not in refused.value.message
    records = " ".join(str(vars(record)) for record in caplog.records)
    assert "alice" in records
    assert token not in records
    assert unknown not in records
