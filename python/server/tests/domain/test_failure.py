"""A failure keeps what it says, and its reasons are the contract's."""

from __future__ import annotations

import pickle

from catenary.v1 import error_pb2
from catenary_server.domain.failure import Failure, Reason, Resource, Violation


def test_the_reasons_are_those_of_the_contract() -> None:
    contract = {name.removeprefix("ERROR_REASON_") for name, _ in error_pb2.ErrorReason.items()} - {"UNSPECIFIED"}
    assert {reason.value for reason in Reason} == contract


def test_a_failure_crosses_a_process_border_whole() -> None:
    failure = Failure(
        Reason.QUOTA_SESSIONS,
        "close one",
        resource=Resource("session", "s1"),
        violations=(Violation("sessions", "2 of 2 in use"),),
        retry_after=5.0,
        metadata={"next_offset": "3"},
    )
    copy = pickle.loads(pickle.dumps(failure))
    assert vars(copy) == vars(failure)
    assert str(copy) == "close one"
