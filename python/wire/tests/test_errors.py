from __future__ import annotations

from concurrent import futures
from typing import TYPE_CHECKING

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from catenary_wire import errors, reasons
from catenary_wire.errors import (
    Failure,
    Resource,
    Violation,
    failure_from_status,
    failure_of,
    status_message,
    status_of,
)
from catenary_wire.reasons import Retry

if TYPE_CHECKING:
    from collections.abc import Callable

ON_THE_WIRE = [
    reason for reason in reasons.reason_names() if reasons.reason_contract(reason).code is not grpc.StatusCode.OK
]
IN_BAND = sorted(set(reasons.reason_names()) - set(ON_THE_WIRE))


def details_of(status: status_pb2.Status) -> set[str]:
    return {detail.TypeName().removeprefix("google.rpc.") for detail in status.details}


@pytest.mark.parametrize("reason", ON_THE_WIRE)
def test_every_reason_reaches_the_client_with_its_code_and_retry_rule(reason: str) -> None:
    contract = reasons.reason_contract(reason)
    failure = failure_from_status(status_message(reason, "what to do next", method="/s/M"))
    assert (failure.reason, failure.code, failure.retry) == (reason, contract.code, contract.retry)
    assert failure.message == "what to do next"
    assert failure.metadata["method"] == "/s/M"


@pytest.mark.parametrize("reason", IN_BAND)
def test_a_reason_that_is_only_given_in_band_is_no_status(reason: str) -> None:
    with pytest.raises(ValueError, match="in band"):
        status_message(reason, "stopped")


def test_an_unknown_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="no reason of the contract"):
        status_message("NO_SUCH_THING", "")


@pytest.mark.parametrize(
    ("reason", "kinds"),
    [
        ("MALFORMED_MESSAGE", {"ErrorInfo", "BadRequest"}),
        ("CONFIG_INVALID", {"ErrorInfo", "BadRequest"}),
        ("STATE_INVALID", {"ErrorInfo", "PreconditionFailure"}),
        ("QUOTA_SESSIONS", {"ErrorInfo", "QuotaFailure", "RetryInfo"}),
        ("SESSION_NOT_FOUND", {"ErrorInfo", "ResourceInfo", "BadRequest"}),
    ],
)
def test_violations_and_resources_take_the_form_that_goes_with_the_code(reason: str, kinds: set[str]) -> None:
    status = status_message(reason, "no", violations=[Violation("a.b", "is wrong")], resource=Resource("thing", "x"))
    assert details_of(status) == kinds
    failure = failure_from_status(status)
    assert failure.violations == (Violation("a.b", "is wrong"),)
    assert failure.resource == (Resource("thing", "x") if "ResourceInfo" in kinds else None)


@pytest.mark.parametrize("reason", ["ALREADY_TRAINING", "RATE_LIMITED"])
def test_a_precondition_or_quota_is_named_even_when_nobody_listed_it(reason: str) -> None:
    failure = failure_from_status(status_message(reason, "stop it first", resource=Resource("run", "r1")))
    assert failure.violations == (Violation("r1", "stop it first"),)


@pytest.mark.parametrize(
    ("reason", "asked", "told"),
    [
        ("SESSION_BUSY", None, 1.0),
        ("SESSION_BUSY", 2.5, 2.5),
        ("STORAGE_IO", None, 1.0),
        ("UPLOAD_OFFSET_MISMATCH", None, None),
        ("SESSION_NOT_FOUND", 9.0, None),
    ],
)
def test_a_delay_is_told_where_a_retry_makes_sense(reason: str, asked: float | None, told: float | None) -> None:
    assert failure_from_status(status_message(reason, "", retry_after=asked)).retry_after == told


def test_more_violations_than_fit_are_cut_and_that_is_said() -> None:
    many = [Violation(f"node.{index}", "wrong") for index in range(50)]
    failure = failure_from_status(status_message("GRAPH_INVALID", "", violations=many))
    assert failure.violations == tuple(many[:20])
    assert failure.metadata["truncated"] == "true"


@given(
    reason=st.sampled_from(ON_THE_WIRE),
    message=st.text(st.characters(codec=None), max_size=2000),
    violations=st.lists(st.builds(Violation, st.text(max_size=600), st.text(max_size=600)), max_size=30),
    resource=st.none() | st.builds(Resource, st.text(max_size=600), st.text(max_size=600)),
    metadata=st.dictionaries(st.text(max_size=9), st.text(max_size=600), max_size=20),
)
def test_a_status_never_outgrows_the_transport(
    reason: str, message: str, violations: list[Violation], resource: Resource | None, metadata: dict[str, str]
) -> None:
    status = status_message(reason, message, violations=violations, resource=resource, metadata=metadata)
    assert status.ByteSize() <= errors.MAX_STATUS_BYTES
    assert len(status.message.encode()) <= errors.MAX_MESSAGE_BYTES
    failure = failure_from_status(status)
    assert failure.reason == reason
    assert (failure.metadata.get("truncated") == "true") == (
        bool(violations) and len(failure.violations) < len(violations)
    )


def call(behaviour: Callable[[bytes, grpc.ServicerContext], bytes]) -> Failure:
    """What a real client learns from a real server that answers with an error."""
    method = grpc.unary_unary_rpc_method_handler(behaviour)
    server = grpc.server(futures.ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", {"Method": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with (
            grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
            pytest.raises(grpc.RpcError) as caught,
        ):
            channel.unary_unary("/test.Service/Method", bytes, bytes)(b"", timeout=10)
        return failure_of(caught.value)
    finally:
        server.stop(None).wait()


def test_a_status_survives_a_real_call() -> None:
    def refuse(_request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort_with_status(
            status_of("CONFIG_INVALID", "änderung", violations=[Violation("training.lr", "is negative")])
        )

    failure = call(refuse)
    assert failure.reason == "CONFIG_INVALID"
    assert failure.message == "änderung"
    assert failure.violations == (Violation("training.lr", "is negative"),)


@pytest.mark.parametrize(
    ("code", "reason", "retry"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE", Retry.NEVER),
        (grpc.StatusCode.UNIMPLEMENTED, "FEATURE_DISABLED", Retry.NEVER),
        (grpc.StatusCode.UNAVAILABLE, "CONNECTION_FAILED", Retry.SAME_REQUEST_ID),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", Retry.NEVER),
        (grpc.StatusCode.CANCELLED, "CANCELLED", Retry.NEVER),
    ],
)
def test_a_bare_status_means_what_the_runtime_means_by_it(code: grpc.StatusCode, reason: str, retry: Retry) -> None:
    def refuse(_request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(code, "by the runtime")

    failure = call(refuse)
    assert (failure.reason, failure.code, failure.retry) == (reason, code, retry)


def test_details_of_another_domain_or_that_are_damaged_count_as_bare() -> None:
    foreign = status_pb2.Status(code=8, message="no")
    foreign.details.add().Pack(error_details_pb2.ErrorInfo(reason="QUOTA", domain="example.org"))
    assert failure_from_status(foreign).reason == "MESSAGE_TOO_LARGE"
    damaged = status_message("SESSION_BUSY", "")
    damaged.details[0].value = b"\xff\xff"
    assert failure_from_status(damaged).reason == "ABORTED"


def test_a_number_without_code_is_unknown() -> None:
    assert failure_from_status(status_pb2.Status(code=99)).code is grpc.StatusCode.UNKNOWN
