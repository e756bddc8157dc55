"""Failures that are told in band."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1 import error_pb2
from catenary_wire import reasons

if TYPE_CHECKING:
    from catenary_server.domain.failure import Reason

MAX_MESSAGE_BYTES = 512


def encode_failure(reason: Reason, message: str) -> error_pb2.Failure:
    """A failure as part of a message."""
    clipped = message.encode()[:MAX_MESSAGE_BYTES].decode(errors="ignore")
    return error_pb2.Failure(reason=reasons.reason_number(reason), message=clipped)
