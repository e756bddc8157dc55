"""Bytes that are no message are refused, by every RPC, and the server serves on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

from catenary_conformance.every import every_method
from catenary_conformance.presuming import presuming
from catenary_conformance.requirement import requirement

if TYPE_CHECKING:
    from catenary_conformance.contract import Contract, Method
    from catenary_conformance.target import Target

MALFORMED = {
    "a length beyond the end": b"\x0a\x7f",
    "a varint that does not end": b"\x08" + b"\xff" * 11,
    "a wire type that there is not": b"\x0f",
    "a group that does not end": b"\x0b",
    "field number zero": b"\x02\x00",
}


@requirement("CAT-ERR-003")
@pytest.mark.parametrize("kind", MALFORMED)
@every_method()
def test_bytes_that_are_no_message_are_refused(target: Target, contract: Contract, method: Method, kind: str) -> None:
    answer = target.call(method.path, MALFORMED[kind])
    reason = contract.reasons.get(answer.reason)
    with presuming("CAT-ERR-005"):
        assert reason is None or reason.code is answer.code, f"the reason goes with another code: {answer}"
    answer.expect(grpc.StatusCode.INVALID_ARGUMENT)
    with presuming("CAT-ERR-005"):
        assert reason is not None, f"the contract has no such reason: {answer}"
    answer.expect(grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE")
