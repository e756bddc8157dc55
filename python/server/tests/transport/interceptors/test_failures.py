from __future__ import annotations

import grpc
import pytest
from google.rpc import status_pb2

from catenary.v1 import error_pb2
from catenary_server.domain.failure import Failure, Reason, Resource, Violation
from catenary_server.transport.interceptors.failures import status
from catenary_wire.errors import failure_from_status, status_message
from catenary_wire.reasons import Retry, reason_contract, reason_names

IN_BAND = {Reason.TRAIN_CANCELLED, Reason.COMMAND_EXPIRED}

CODES = {
    "INVALID_ARGUMENT": """MALFORMED_MESSAGE FIELD_INVALID CONFIG_INVALID OVERRIDE_SYNTAX CONFIG_TARGET_FORBIDDEN
        CONFIG_RESOLVER_FORBIDDEN CONFIG_TOO_COMPLEX PATH_INVALID NODE_TYPE_UNKNOWN GRAPH_INVALID
        WEIGHTS_FORMAT_FORBIDDEN DEVICE_INVALID TENSOR_SHAPE TENSOR_DTYPE TENSOR_SIZE_MISMATCH INPUT_NAME_MISSING
        INPUT_NAME_UNKNOWN IMAGE_INVALID COMMAND_INVALID""",
    "RESOURCE_EXHAUSTED": """MESSAGE_TOO_LARGE RATE_LIMITED QUOTA_RPCS QUOTA_STREAMS QUOTA_SESSIONS QUOTA_MEMORY
        DISK_FULL QUOTA_DISK GPU_OUT_OF_MEMORY BUFFER_FULL""",
    "UNAUTHENTICATED": "TOKEN_MISSING TOKEN_INVALID TOKEN_EXPIRED",
    "PERMISSION_DENIED": "SCOPE_MISSING PLUGIN_NOT_ALLOWED SHM_NOT_OWNER",
    "UNAVAILABLE": "DRAINING OVERLOADED STORAGE_IO DEVICE_UNAVAILABLE WORKER_CRASHED WORKER_HUNG",
    "UNIMPLEMENTED": "FEATURE_DISABLED SHM_DISABLED",
    "INTERNAL": "INTERNAL_BUG",
    "NOT_FOUND": """SESSION_NOT_FOUND CONFIG_NOT_FOUND ARTIFACT_NOT_FOUND DATASET_NOT_FOUND RUN_NOT_FOUND
        PLUGIN_NOT_FOUND""",
    "ABORTED": "SESSION_BUSY SESSION_CLOSING STREAM_SUPERSEDED",
    "FAILED_PRECONDITION": """STATE_INVALID PATH_NOT_ALLOWED PLUGIN_NOT_INSTALLED WEIGHTS_MISMATCH ALREADY_TRAINING
        NON_FINITE_LOSS DATASET_INVALID READER_UNAVAILABLE NODE_FAILED RUN_NOT_REGISTERED STALE_EPOCH""",
    "ALREADY_EXISTS": "IDEMPOTENCY_CONFLICT ARTIFACT_EXISTS RUN_EXISTS",
    "DATA_LOSS": "ARTIFACT_CORRUPT WEIGHTS_CORRUPT UPLOAD_CHECKSUM_MISMATCH",
    "OUT_OF_RANGE": "UPLOAD_OFFSET_MISMATCH SHM_RANGE SEQ_GAP",
    "DEADLINE_EXCEEDED": "HEARTBEAT_LOST",
}
"""The table of the error model, by code."""

TABLE = [(Reason(reason), grpc.StatusCode[code]) for code, reasons in CODES.items() for reason in reasons.split()]


def test_the_domain_has_the_reasons_of_the_contract() -> None:
    assert {str(reason) for reason in Reason} == set(reason_names())
    assert {reason for reason, _ in TABLE} | IN_BAND == set(Reason)


@pytest.mark.parametrize(("reason", "code"), TABLE)
def test_every_reason_has_its_code_and_details(reason: Reason, code: grpc.StatusCode) -> None:
    failure = Failure(
        reason,
        "what to do next",
        resource=Resource("thing", "name"),
        violations=(Violation("field", "fault"),),
        retry_after=3.0,
        metadata={"next_offset": "7"},
    )
    told = status(failure, "/service/Method")
    assert told.code is code
    trailing = dict(told.trailing_metadata)["grpc-status-details-bin"]
    read = failure_from_status(status_pb2.Status.FromString(trailing))
    assert (read.reason, read.code, read.message) == (reason, code, "what to do next")
    assert read.metadata["method"] == "/service/Method"
    assert read.metadata["next_offset"] == "7"
    assert [violation.subject for violation in read.violations] == ["field"]
    assert (read.retry_after is None) == (reason_contract(reason).retry is Retry.NEVER)
    assert read.retry is reason_contract(reason).retry


@pytest.mark.parametrize("reason", sorted(IN_BAND))
def test_a_reason_that_is_told_in_band_is_no_status(reason: Reason) -> None:
    with pytest.raises(ValueError, match="in band"):
        status_message(reason, "stopped")
    assert error_pb2.ErrorReason.Value(f"ERROR_REASON_{reason}")
