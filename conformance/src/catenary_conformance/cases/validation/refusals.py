"""What a refusal for a field rule looks like."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import grpc

from catenary.v1 import error_pb2
from catenary_conformance.answer import WrongAnswer

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from catenary_conformance.answer import Answer
    from catenary_conformance.contract import Method, Rule
    from catenary_conformance.target import Target

REASON = "FIELD_INVALID"
_SUBSCRIPT = re.compile(r"\[(\d+\]|\".*?(\"\]|$))", re.DOTALL)
"""An index or a key in a field path. A server may shorten a long path: then the end of a key is not there."""
CONTROL_BYTES = 1 << 20
"""Least size above which a server may refuse a message before it looks into it."""


def assert_refused(target: Target, method: Method, rule: Rule, request: Message) -> None:
    """Send a message that breaks a rule as the only one of a call, and see that it is refused for that.

    Raises:
        WrongAnswer: it is not.
    """
    with target.stream(method.path, timeout=20.0) as stream:
        stream.send(request)
        stream.half_close()
        answer = stream.end()
    if any(_refuses_in_band(each) for each in stream.received):
        return  # an item of a stream; a failure in band names no fields
    if answer.code is grpc.StatusCode.RESOURCE_EXHAUSTED and request.ByteSize() > CONTROL_BYTES:
        return  # its size is looked at first
    answer.expect(grpc.StatusCode.INVALID_ARGUMENT, REASON)
    if not names(answer, rule):
        raise WrongAnswer(f"expected a violation of {rule.name} to be named, but {answer}")


def _refuses_in_band(response: Any) -> bool:  # noqa: ANN401 - a response of any RPC
    failure = getattr(response, "failure", None)
    return getattr(failure, "reason", None) == error_pb2.ERROR_REASON_FIELD_INVALID


def names(answer: Answer, rule: Rule) -> bool:
    """Whether a refusal names the field of a rule; of a rule over a whole message, any field of it or none."""
    fields = [_SUBSCRIPT.sub("", each) for each in answer.violations]
    if rule.field.startswith("chunk.") and "header" in fields:
        return True  # it came before the header, which is as much a fault
    return rule.field in fields or (not rule.field and bool(fields))
