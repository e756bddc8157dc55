"""Bytes to messages, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from catenary_server.domain.failure import Failure, Reason
from catenary_wire import payloads

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from catenary_server.transport.methods import Method


def decode(method: Method, raw: bytes) -> tuple[Message, payloads.Payloads]:
    """The request of an RPC, with its large bytes beside it as views of `raw`.

    Raises:
        Failure: MALFORMED_MESSAGE.
    """
    try:
        if method.takes_payloads:
            return payloads.split(method.request, raw)
        return method.request.FromString(raw), payloads.Payloads()
    except (DecodeError, ValueError):
        # The parser's own text may quote the message; it helps nobody who uses generated code.
        raise Failure(
            Reason.MALFORMED_MESSAGE,
            f"the bytes are no {method.request.DESCRIPTOR.full_name}; generate the client from this contract",
        ) from None


def encode(method: Method, response: Message, given: payloads.Payloads) -> bytes:
    """The bytes of a response, with its large bytes in the place of their tickets."""
    return payloads.join(response, given) if method.gives_payloads else response.SerializeToString()
