"""What the contract says about each reason of a failure: its status code, and whether the request may be sent again."""

from __future__ import annotations

import enum
import functools
from typing import TYPE_CHECKING, NamedTuple

import grpc

from catenary.contract.v1 import options_pb2
from catenary.v1 import error_pb2
from catenary_wire import names

if TYPE_CHECKING:
    from collections.abc import Mapping


class Retry(enum.StrEnum):
    """Whether a request that failed may be sent again."""

    NEVER = "never"
    """It fails the same way until something is changed."""
    AFTER_DELAY = "after_delay"
    """It may succeed after the delay that the failure names."""
    SAME_REQUEST_ID = "same_request_id"
    """Only with the same request id, since the first attempt may have had its effect."""


class ReasonContract(NamedTuple):
    """How one reason reaches a client."""

    code: grpc.StatusCode
    """OK for a reason that is only given in band."""
    retry: Retry


CODES: Mapping[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
"""Status codes by their numbers."""


def reason_contract(reason: str) -> ReasonContract:
    """What the contract says about a reason, by its name without prefix.

    Raises:
        ValueError: the contract has no such reason.
    """
    contract = _contracts().get(reason)
    if contract is None:
        raise ValueError(f"{reason} is no reason of the contract")
    return contract


def reason_names() -> tuple[str, ...]:
    """Every reason of the contract without its prefix, in the order of their numbers."""
    return tuple(_contracts())


def reason_number(reason: str) -> error_pb2.ErrorReason.ValueType:
    """The value of `catenary.v1.ErrorReason` of a reason by its name without prefix.

    Raises:
        ValueError: the contract has no such reason.
    """
    reason_contract(reason)
    return error_pb2.ErrorReason.Value(f"ERROR_REASON_{reason}")


def reason_name(number: int) -> str:
    """A value of `catenary.v1.ErrorReason` without its prefix; the number itself when a newer contract named it."""
    return names.short_name(error_pb2.ErrorReason, number)


@functools.cache
def _contracts() -> dict[str, ReasonContract]:
    contracts = {}
    for value in error_pb2.ErrorReason.DESCRIPTOR.values:
        if value.number == error_pb2.ERROR_REASON_UNSPECIFIED:
            continue
        option = value.GetOptions().Extensions[options_pb2.reason]
        retry = Retry(names.short_name(options_pb2.Retry, option.retry).lower())
        contracts[reason_name(value.number)] = ReasonContract(CODES[option.code], retry)
    return contracts
