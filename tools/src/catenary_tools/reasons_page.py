"""Writes the page of error reasons from the comments and options of the enum that defines them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from catenary_tools.image import REASON_OPTION, Image, enum_name

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import EnumDescriptorProto
    from google.protobuf.message import Message

REASONS = "catenary.v1.ErrorReason"
PREFIX = "ERROR_REASON_"

_HEAD = """\
# Error reasons

Generated from `proto/catenary/v1/error.proto` by `nox -s generate`; do not edit.

A call that fails carries a `google.rpc.ErrorInfo` with one of these reasons and the domain `catenary`. Decide on the
reason, never on the message. A reason with the code *in band* appears inside messages only: no status carries it.

Retry: *no* - the same request fails again until something changes; *after delay* - wait as `RetryInfo` says and send it
again; *same request id* - send it again only with the same `request_id`, as the first attempt may have had its effect.

| reason | code | retry | when, and what to do |
|---|---|---|---|
"""
_RETRY = {1: "no", 2: "after delay", 3: "same request id"}


def render(image_content: bytes) -> str:
    """Return the page in Markdown for the image of the contract.

    Raises ``KeyError`` when the image has no enum of reasons or a reason has no code or retry.
    """
    image = Image(image_content)
    enum = dict(image.enums())[REASONS]
    comments = image.enum_comments(REASONS)
    rows = [_row(image, enum, index, comments) for index in range(1, len(enum.value))]
    return _HEAD + "".join(rows)


def _row(image: Image, enum: EnumDescriptorProto, index: int, comments: dict[str, str]) -> str:
    value = enum.value[index]
    contract = image.option(value.options, REASON_OPTION)
    if contract is None:
        raise KeyError(f"{value.name} has no option {REASON_OPTION}")
    text = comments[value.name].replace("|", "\\|")
    return (
        f"| {value.name.removeprefix(PREFIX)} | {_code(contract)} | {_RETRY[_number(contract, 'retry')]} | {text} |\n"
    )


def _code(contract: Message) -> str:
    number = _number(contract, "code")
    return enum_name(contract, "code", number) if number else "*in band*"


def _number(contract: Message, field: str) -> int:
    return cast("int", getattr(contract, field))
