"""What a server claims works; what it does not claim answers UNIMPLEMENTED."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

from catenary_conformance.answer import WrongAnswer
from catenary_conformance.contract import Contract
from catenary_conformance.requirement import requirement

if TYPE_CHECKING:
    from catenary.v1.discovery_service_pb2 import GetServerInfoResponse
    from catenary_conformance.contract import Method
    from catenary_conformance.target import Target

METHODS = [
    pytest.param(method, id=method.full_name.removeprefix("catenary."))
    for method in Contract.load().methods.values()
    if method.capability
]


@requirement("CAT-DIS-001")
@pytest.mark.parametrize("method", METHODS)
def test_an_rpc_works_exactly_if_it_is_claimed(target: Target, info: GetServerInfoResponse, method: Method) -> None:
    claimed = method.capability in {each.name for each in info.capabilities}
    answer = target.call(method.path, b"", timeout=20.0)
    if claimed and answer.code is grpc.StatusCode.UNIMPLEMENTED:
        raise WrongAnswer(f"{method.capability} is claimed, and {answer}")
    if not claimed:
        # A server may have the service and refuse, or not have it at all: then the runtime answers without a reason.
        answer.expect(grpc.StatusCode.UNIMPLEMENTED, "FEATURE_DISABLED", "")


@requirement("CAT-DIS-001")
def test_every_capability_that_is_claimed_is_one_of_the_contract(
    info: GetServerInfoResponse, contract: Contract
) -> None:
    names = [each.name for each in info.capabilities]
    assert len(names) == len(set(names)), f"claimed twice: {names}"
    assert all(each.revision >= 1 for each in info.capabilities), "a revision starts at 1"
    assert not set(names) - set(contract.capabilities), f"the contract has no {set(names) - set(contract.capabilities)}"
