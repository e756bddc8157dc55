"""Every RPC asks for a token, knows it, and looks at its scopes: on servers that ask for tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

from catenary_conformance.every import every_method
from catenary_conformance.requirement import requirement
from catenary_conformance.skipping import SkipReason, skip

if TYPE_CHECKING:
    from catenary_conformance.contract import Method
    from catenary_conformance.run import Run
    from catenary_conformance.target import Target

UNKNOWN = {"another token": "conformance-token-of-nobody", "an empty token": " ", "a long token": "x" * 4000}
MALFORMED = b"\x0a\x7f"


@pytest.fixture
def token(run: Run) -> str:
    """The token of the run."""
    if not run.asks_for_tokens:
        skip(SkipReason.CAPABILITY_NOT_CLAIMED, "the target asks for no tokens")
    return run.target.settings.token


@pytest.fixture
def low_token(run: Run, token: str) -> str:
    """A token with the scope `discovery.read` alone."""
    if not run.target.settings.low_token:
        skip(SkipReason.NEEDS_SECOND_PRINCIPAL, "name a token with the scope discovery.read alone by --low-token")
    return run.target.settings.low_token


@requirement("CAT-ERR-008")
@every_method()
@pytest.mark.usefixtures("token")
def test_a_call_without_a_token_is_refused(target: Target, method: Method) -> None:
    target.call(method.path, b"", token=None).expect(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING")


@requirement("CAT-ERR-008")
@every_method()
@pytest.mark.usefixtures("token")
def test_nothing_is_decoded_before_the_caller_is_known(target: Target, method: Method) -> None:
    target.call(method.path, MALFORMED, token=None).expect(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING")


@requirement("CAT-ERR-009")
@pytest.mark.parametrize("kind", UNKNOWN)
@every_method()
@pytest.mark.usefixtures("token")
def test_a_token_that_nobody_has_is_refused(target: Target, method: Method, kind: str) -> None:
    answer = target.call(method.path, b"", token=UNKNOWN[kind])
    answer.expect(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")


@requirement("CAT-ERR-009")
@pytest.mark.usefixtures("token")
def test_another_scheme_than_bearer_is_refused(target: Target) -> None:
    header = ("authorization", "Basic Y29uZm9ybWFuY2U6eA==")
    answer = target.call("GetServerInfo", b"", token=None, metadata=(header,))
    answer.expect(grpc.StatusCode.UNAUTHENTICATED)


@requirement("CAT-ERR-010")
@every_method(lambda method: method.scope != "discovery.read")
def test_a_token_without_the_scope_is_refused(target: Target, method: Method, low_token: str) -> None:
    target.call(method.path, b"", token=low_token).expect(grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING")


@requirement("CAT-ERR-010")
def test_a_token_is_good_for_the_scope_that_it_has(target: Target, low_token: str) -> None:
    target.call("GetServerInfo", b"", token=low_token).expect_ok()
