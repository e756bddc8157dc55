"""Statuses in the words of the Connect protocol."""

from __future__ import annotations

import base64
import json

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from catenary_server.domain.failure import Failure, Reason
from catenary_server.transport.interceptors.failures import status
from catenary_server.transport.web.status import connect_error, refused

# As the protocol's page "Errors" has them.
EXPECTED = {
    "CANCELLED": ("canceled", 499),
    "UNKNOWN": ("unknown", 500),
    "INVALID_ARGUMENT": ("invalid_argument", 400),
    "DEADLINE_EXCEEDED": ("deadline_exceeded", 504),
    "NOT_FOUND": ("not_found", 404),
    "ALREADY_EXISTS": ("already_exists", 409),
    "PERMISSION_DENIED": ("permission_denied", 403),
    "RESOURCE_EXHAUSTED": ("resource_exhausted", 429),
    "FAILED_PRECONDITION": ("failed_precondition", 400),
    "ABORTED": ("aborted", 409),
    "OUT_OF_RANGE": ("out_of_range", 400),
    "UNIMPLEMENTED": ("unimplemented", 501),
    "INTERNAL": ("internal", 500),
    "UNAVAILABLE": ("unavailable", 503),
    "DATA_LOSS": ("data_loss", 500),
    "UNAUTHENTICATED": ("unauthenticated", 401),
}


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_code_has_its_name_and_its_http_status(code: grpc.StatusCode) -> None:
    name, http_status = EXPECTED[code.name]
    answered, body = connect_error(refused(code, "why").status)
    assert (answered, json.loads(body)) == (http_status, {"code": name, "message": "why", "details": []})


def test_details_are_those_of_grpc() -> None:
    told = status(Failure(Reason.RUN_NOT_FOUND, 'there is no run "\u00e4"\n'), "/service/Method")
    _, body = connect_error(refused(told.code, told.details, told.trailing_metadata).status)
    error = json.loads(body)
    assert error["message"] == 'there is no run "\u00e4"\n'
    detail = error["details"][0]
    assert detail["type"] == "google.rpc.ErrorInfo"
    assert "=" not in detail["value"]
    value = base64.b64decode(detail["value"] + "=" * (-len(detail["value"]) % 4))
    assert error_details_pb2.ErrorInfo.FromString(value).reason == "RUN_NOT_FOUND"


def test_a_status_without_details_keeps_code_and_message() -> None:
    assert refused(grpc.StatusCode.ABORTED, "why").status == status_pb2.Status(code=10, message="why")
