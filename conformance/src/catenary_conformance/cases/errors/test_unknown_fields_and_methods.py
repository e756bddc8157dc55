"""What a newer client sends: fields that the server ignores, RPCs that it does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

from catenary_conformance.every import every_method
from catenary_conformance.requirement import requirement

if TYPE_CHECKING:
    from catenary_conformance.contract import Method
    from catenary_conformance.target import Target

UNKNOWN_FIELDS = {
    "a number": b"\xf8\xff\xff\x0f\x2a",
    "bytes": b"\xfa\xff\xff\x0f\x04what",
    "a fixed number": b"\xfd\xff\xff\x0f\x01\x02\x03\x04",
}
"""Fields of the number 33554431, which no message has."""


@requirement("CAT-ERR-013")
@pytest.mark.parametrize("kind", UNKNOWN_FIELDS)
@every_method(lambda method: not method.client_streaming and not method.server_streaming)
def test_unknown_fields_are_ignored(target: Target, method: Method, kind: str) -> None:
    without = target.call(method.path, b"")
    answer = target.call(method.path, UNKNOWN_FIELDS[kind])
    assert (answer.code, answer.reason) == (without.code, without.reason), f"without it: {without}; with it: {answer}"
    assert sorted(answer.violations) == sorted(without.violations), f"without it: {without}; with it: {answer}"


@requirement("CAT-ERR-014")
@pytest.mark.parametrize("service", ["catenary.v1.SessionService", "catenary.v1.NoSuchService"])
def test_an_rpc_that_there_is_not_is_unimplemented(target: Target, service: str) -> None:
    target.call(f"/{service}/NoSuchCall", b"").expect(grpc.StatusCode.UNIMPLEMENTED)
