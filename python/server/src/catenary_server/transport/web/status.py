"""Statuses of gRPC on wires that have none of their own."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.rpc import status_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

HTTP_STATUS: Final = {
    grpc.StatusCode.CANCELLED: ("canceled", 499),
    grpc.StatusCode.UNKNOWN: ("unknown", 500),
    grpc.StatusCode.INVALID_ARGUMENT: ("invalid_argument", 400),
    grpc.StatusCode.DEADLINE_EXCEEDED: ("deadline_exceeded", 504),
    grpc.StatusCode.NOT_FOUND: ("not_found", 404),
    grpc.StatusCode.ALREADY_EXISTS: ("already_exists", 409),
    grpc.StatusCode.PERMISSION_DENIED: ("permission_denied", 403),
    grpc.StatusCode.RESOURCE_EXHAUSTED: ("resource_exhausted", 429),
    grpc.StatusCode.FAILED_PRECONDITION: ("failed_precondition", 400),
    grpc.StatusCode.ABORTED: ("aborted", 409),
    grpc.StatusCode.OUT_OF_RANGE: ("out_of_range", 400),
    grpc.StatusCode.UNIMPLEMENTED: ("unimplemented", 501),
    grpc.StatusCode.INTERNAL: ("internal", 500),
    grpc.StatusCode.UNAVAILABLE: ("unavailable", 503),
    grpc.StatusCode.DATA_LOSS: ("data_loss", 500),
    grpc.StatusCode.UNAUTHENTICATED: ("unauthenticated", 401),
}
"""Name and HTTP status of each code, as the Connect protocol has them."""

_BY_NUMBER: Final = {code.value[0]: names for code, names in HTTP_STATUS.items()}
_DETAILS: Final = "grpc-status-details-bin"


class Refused(Exception):
    """A call came to its end with a status other than OK."""

    def __init__(self, status: status_pb2.Status) -> None:
        super().__init__(status.message)
        self.status = status


def refused(code: grpc.StatusCode, message: str, metadata: Iterable[tuple[str, Any]] = ()) -> Refused:
    """The end of a call, from what ends a call of gRPC."""
    encoded = dict(metadata).get(_DETAILS)
    if encoded is not None:
        return Refused(status_pb2.Status.FromString(encoded))
    return Refused(status_pb2.Status(code=code.value[0], message=message))


def connect_error(status: status_pb2.Status) -> tuple[int, bytes]:
    """HTTP status and JSON of a status."""
    name, http_status = _BY_NUMBER[status.code]
    details = [
        {
            "type": detail.type_url.rpartition("/")[2],
            "value": base64.b64encode(detail.value).rstrip(b"=").decode(),
        }
        for detail in status.details
    ]
    return http_status, json.dumps({"code": name, "message": status.message, "details": details}).encode()
