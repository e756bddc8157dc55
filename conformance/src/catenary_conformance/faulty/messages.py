"""The methods of the contract by their short names, and the classes of their messages."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pool import Default
from google.protobuf.message_factory import GetMessageClass

import catenary.telemetry.v1
import catenary.v1

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.message import Message


UNKNOWN_METHOD = "a method that the contract does not have"
"""Stands for every path that is none of the contract, where a fault names the methods that it touches."""


@cache
def methods() -> dict[str, MethodDescriptor]:
    """Every method of the contract by its path, such as `/catenary.v1.SessionService/CreateSession`."""
    found: dict[str, MethodDescriptor] = {}
    for package in (catenary.v1, catenary.telemetry.v1):
        for module in pkgutil.iter_modules(package.__path__):
            if not module.name.endswith("_service_pb2"):
                continue
            stubs = importlib.import_module(f"{package.__name__}.{module.name}")
            for service in stubs.DESCRIPTOR.services_by_name.values():
                found |= {f"/{service.full_name}/{method.name}": method for method in service.methods}
    return found


@cache
def path(name: str) -> str:
    """Path of the method with this name; each name occurs once in the contract."""
    (found,) = [candidate for candidate in methods() if candidate.endswith(f"/{name}")]
    return found


@cache
def request_class(method: str) -> type[Message]:
    """Class of the requests of a method, by its path."""
    return GetMessageClass(methods()[method].input_type)


@cache
def response_class(method: str) -> type[Message]:
    """Class of the responses of a method, by its path."""
    return GetMessageClass(methods()[method].output_type)


@cache
def message_class(full_name: str) -> type[Message]:
    """Class of a message by its full name."""
    methods()
    return GetMessageClass(Default().FindMessageTypeByName(full_name))
