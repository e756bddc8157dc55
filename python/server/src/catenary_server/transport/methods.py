"""Every RPC of the contract with what its options say about it."""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import TYPE_CHECKING

from google.protobuf.message_factory import GetMessageClass

from catenary.contract.v1 import options_pb2
from catenary_wire import names, payloads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import Descriptor, MethodDescriptor
    from google.protobuf.message import Message

_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One RPC."""

    service: str
    """Full name of its service."""
    name: str
    request: type[Message]
    response: type[Message]
    client_streaming: bool
    server_streaming: bool
    capability: str
    """What a server claims when it serves this; empty for an RPC that every server serves."""
    scope: str
    """What a token must carry."""
    takes_payloads: bool
    """True if the request may hold large bytes, which are then never copied by protobuf."""
    gives_payloads: bool
    """The same of the response."""

    @property
    def path(self) -> str:
        """How gRPC names it."""
        return f"/{self.service}/{self.name}"

    @property
    def function(self) -> str:
        """Name of the servicer method that answers it: `CreateSession` by `create_session`."""
        return _WORD_START.sub("_", self.name).lower()


@functools.cache
def contract_methods() -> Mapping[str, Method]:
    """Every RPC of the contract by its path."""
    methods = (_method(method) for service in names.services() for method in service.methods)
    return {method.path: method for method in methods}


def _method(descriptor: MethodDescriptor) -> Method:
    contract = descriptor.GetOptions().Extensions[options_pb2.method]
    return Method(
        service=descriptor.containing_service.full_name,
        name=descriptor.name,
        request=GetMessageClass(descriptor.input_type),
        response=GetMessageClass(descriptor.output_type),
        client_streaming=descriptor.client_streaming,
        server_streaming=descriptor.server_streaming,
        capability=contract.capability,
        scope=contract.scope,
        takes_payloads=_holds_payload(descriptor.input_type),
        gives_payloads=_holds_payload(descriptor.output_type),
    )


def _holds_payload(message: Descriptor) -> bool:
    """Whether a large bytes field is anywhere in a message. No message of the contract contains itself."""
    return any(
        field.full_name in payloads.PAYLOAD_FIELDS
        or (field.message_type is not None and _holds_payload(field.message_type))
        for field in message.fields
    )
