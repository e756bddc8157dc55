"""GetServerInfo tells what the server is, always."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1.discovery_service_pb2 import GetServerInfoRequest
from catenary.v1.session_requests_pb2 import CreateSessionRequest
from catenary_conformance import rpcs
from catenary_conformance.requirement import capability, requirement

if TYPE_CHECKING:
    from catenary_conformance.contract import Contract
    from catenary_conformance.target import Target


@requirement("CAT-DIS-012")
def test_the_epoch_stays_the_same_while_the_server_runs(target: Target) -> None:
    first = rpcs.GET_SERVER_INFO.ok(target, GetServerInfoRequest())
    assert first.server_epoch, "the server has no epoch"
    again = rpcs.GET_SERVER_INFO.ok(target, GetServerInfoRequest())
    assert (again.server_epoch, again.start_time) == (first.server_epoch, first.start_time)


@requirement("CAT-DIS-001")
def test_every_claimed_capability_is_one_of_the_contract_and_claimed_once(target: Target, contract: Contract) -> None:
    claimed = [each.name for each in rpcs.GET_SERVER_INFO.ok(target, GetServerInfoRequest()).capabilities]
    assert set(claimed) <= set(contract.capabilities)
    assert len(set(claimed)) == len(claimed)


@requirement("CAT-DIS-001")
@capability("sessions")
def test_every_listed_device_can_be_asked_for_and_no_other(target: Target) -> None:
    devices = rpcs.GET_SERVER_INFO.ok(target, GetServerInfoRequest()).devices
    for each in devices:
        answer = rpcs.CREATE_SESSION.ok(target, CreateSessionRequest(device=each.name))
        assert answer.session.device == each.name
    refused = CreateSessionRequest(device="abacus:7")
    rpcs.CREATE_SESSION.refused(target, refused, reason="DEVICE_INVALID")


@requirement("CAT-DIS-002")
@capability("sessions")
def test_the_server_answers_while_many_calls_are_under_way(target: Target) -> None:
    streams = [rpcs.GET_SERVER_INFO.open(target, GetServerInfoRequest()) for _ in range(20)]
    try:
        rpcs.GET_SERVER_INFO.ok(target, GetServerInfoRequest())
        for stream in streams:
            stream.half_close()
            stream.end().expect_ok()
    finally:
        for stream in streams:
            stream.cancel()
