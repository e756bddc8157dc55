"""What every refusal carries: ErrorInfo with a reason of the contract and that reason's code, and nothing private."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from google.rpc import error_details_pb2

from catenary_conformance.answer import DOMAIN, WrongAnswer
from catenary_conformance.every import every_method
from catenary_conformance.requirement import requirement

if TYPE_CHECKING:
    from catenary_conformance.contract import Contract, Method
    from catenary_conformance.target import Target

REQUESTS = {"no message": b"\x0a\x7f", "an empty message": b""}
PRIVATE = re.compile(
    r"Traceback \(most recent|File \"[^\"]+\", line \d+|\bat [\w$.<>]+ ?\([^)]*:\d+|goroutine \d+ \["
    r"|panicked at|/site-packages/|/node_modules/|(?<![\w.])/(?:home|root|usr|opt|var|srv|work)/\w+|[A-Z]:\\\\"
)
"""Stack traces of common languages, and absolute paths."""


@requirement("CAT-ERR-005")
@every_method()
def test_a_refusal_has_a_reason_with_its_code(target: Target, contract: Contract, method: Method) -> None:
    answer = target.call(method.path, REQUESTS["no message"])
    assert answer.domain == DOMAIN, f"ErrorInfo of the domain {DOMAIN} is missing: {answer}"
    assert answer.reason in contract.reasons, f"the contract has no such reason: {answer}"
    assert contract.reasons[answer.reason].code is answer.code, f"the reason goes with another code: {answer}"


@requirement("CAT-ERR-001")
@every_method(lambda method: not method.client_streaming)
def test_a_refusal_for_a_field_names_it(target: Target, contract: Contract, method: Method) -> None:
    answer = target.call(method.path, REQUESTS["an empty message"], timeout=20.0)
    if contract.violations(method.request()):
        found = answer.detail(error_details_pb2.BadRequest)
        assert found is not None, f"BadRequest is missing: {answer}"
        assert all(each.description for each in found.field_violations), f"{answer}"


@requirement("CAT-ERR-007")
@every_method()
@pytest.mark.parametrize("content", REQUESTS)
def test_a_refusal_shows_nothing_private(target: Target, method: Method, content: str) -> None:
    answer = target.call(method.path, REQUESTS[content], timeout=20.0)
    shown = [answer.text, answer.status.decode("utf-8", "replace")]
    found = next((match for each in shown if (match := PRIVATE.search(each))), None)
    if found or answer.detail(error_details_pb2.DebugInfo) is not None:
        raise WrongAnswer(f"the refusal shows {found.group(0) if found else 'DebugInfo'}: {answer}")
