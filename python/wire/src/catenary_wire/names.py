"""Names of the contract in their short forms: enum values without prefix, RPCs by path."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, TypeVar, cast

from catenary.telemetry.v1 import telemetry_service_pb2
from catenary.v1 import (
    config_service_pb2,
    dataset_service_pb2,
    discovery_service_pb2,
    inference_service_pb2,
    pipeline_service_pb2,
    plugin_service_pb2,
    profiling_service_pb2,
    session_service_pb2,
    training_service_pb2,
)

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor, FileDescriptor, MethodDescriptor, ServiceDescriptor
    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper  # what an enum of the stubs is to a checker

NumberT = TypeVar("NumberT", bound=int)

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

_FILES: tuple[FileDescriptor, ...] = (
    session_service_pb2.DESCRIPTOR,
    config_service_pb2.DESCRIPTOR,
    pipeline_service_pb2.DESCRIPTOR,
    dataset_service_pb2.DESCRIPTOR,
    training_service_pb2.DESCRIPTOR,
    inference_service_pb2.DESCRIPTOR,
    discovery_service_pb2.DESCRIPTOR,
    plugin_service_pb2.DESCRIPTOR,
    profiling_service_pb2.DESCRIPTOR,
    telemetry_service_pb2.DESCRIPTOR,
)


@functools.cache
def prefix(enum: EnumDescriptor) -> str:
    """The prefix that every value of an enum carries, for example `EXECUTION_STAGE_` or `D_TYPE_`."""
    return _WORD_START.sub("_", enum.name).upper() + "_"


def short_name(enum: _EnumTypeWrapper[NumberT], number: int) -> str:
    """The name of an enum value without its prefix, for example TRAIN; the number itself when it has no name.

    A number without a name comes from a peer with a newer contract; it must not stop anyone.
    """
    value = enum.DESCRIPTOR.values_by_number.get(number)
    return str(number) if value is None else value.name.removeprefix(prefix(enum.DESCRIPTOR))


def number_of(enum: _EnumTypeWrapper[NumberT], name: str) -> NumberT:
    """The number of an enum value by its name in any case, with or without prefix.

    Raises:
        ValueError: the enum has no such value; the message says which it has.
    """
    full = prefix(enum.DESCRIPTOR) + name.upper().replace("-", "_").removeprefix(prefix(enum.DESCRIPTOR))
    value = enum.DESCRIPTOR.values_by_name.get(full)
    if value is None:
        known = ", ".join(short_name(enum, number) for number in enum.values() if number != 0)
        raise ValueError(f"{name} is none of {known}")
    return cast("NumberT", value.number)


def services() -> tuple[ServiceDescriptor, ...]:
    """Every service of the contract, in the order of its documentation."""
    return tuple(service for file in _FILES for service in file.services_by_name.values())


def path_of(method: MethodDescriptor) -> str:
    """The path by which gRPC calls a method, for example `/catenary.v1.SessionService/CreateSession`."""
    return f"/{method.containing_service.full_name}/{method.name}"
