"""How a call ended, in the terms that a case may judge by: code, reason, details. Never the text."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DOMAIN = "catenary"
"""Domain of every `ErrorInfo` of the contract."""
STATUS_KEY = "grpc-status-details-bin"

_DETAILS: dict[str, type[Message]] = {
    each.DESCRIPTOR.full_name: each
    for each in (
        error_details_pb2.ErrorInfo,
        error_details_pb2.BadRequest,
        error_details_pb2.PreconditionFailure,
        error_details_pb2.QuotaFailure,
        error_details_pb2.ResourceInfo,
        error_details_pb2.RetryInfo,
        error_details_pb2.DebugInfo,
    )
}


class WrongAnswer(AssertionError):
    """The target answered otherwise than the contract says."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The end of a call. Compare `code` and `reason`, or let `expect` and `expect_ok` do it."""

    path: str
    """The RPC."""
    code: grpc.StatusCode
    response: Any = None
    """The response of an RPC that answers with one message; None unless the code is OK."""
    reason: str = ""
    """Reason of the `ErrorInfo`; empty when there is none."""
    domain: str = ""
    """Domain of the `ErrorInfo`."""
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Metadata of the `ErrorInfo`."""
    violations: tuple[str, ...] = ()
    """Paths of the fields that `BadRequest` names."""
    details: tuple[Message, ...] = ()
    """Every detail of the status of a known type."""
    text: str = ""
    """Text of the status: for people, and for cases that look for what must not be in it."""
    status: bytes = b""
    """The serialised `google.rpc.Status`; empty when there is none."""

    @property
    def ok(self) -> bool:
        """Whether the call succeeded."""
        return self.code is grpc.StatusCode.OK

    @property
    def timed_out(self) -> bool:
        """Whether the call ended by its deadline."""
        return self.code is grpc.StatusCode.DEADLINE_EXCEEDED

    def detail(self, kind: type[Message]) -> Any:  # noqa: ANN401 - of the kind asked for, or None
        """The first detail of a type, for example `error_details_pb2.RetryInfo`; None when there is none."""
        return next((each for each in self.details if isinstance(each, kind)), None)

    def expect_ok(self) -> Any:  # noqa: ANN401 - the RPC's response
        """The response.

        Raises:
            WrongAnswer: the call was refused.
        """
        if not self.ok:
            raise WrongAnswer(f"expected OK, but {self}")
        return self.response

    def expect(self, code: grpc.StatusCode, *reasons: str) -> Answer:
        """This answer, if it has the code and, where some are named, one of the reasons.

        Raises:
            WrongAnswer: it has not.
        """
        if self.code is not code or (reasons and self.reason not in reasons):
            wanted = f"{code.name} / {' or '.join(reasons)}" if reasons else code.name
            raise WrongAnswer(f"expected {wanted}, but {self}")
        return self

    def __str__(self) -> str:
        """`/catenary.v1.SessionService/GetSession answered NOT_FOUND / SESSION_NOT_FOUND`."""
        reason = f" / {self.reason}" if self.reason else "" if self.ok else " without a reason"
        fields = f" naming {', '.join(self.violations)}" if self.violations else ""
        text = f" ({self.text[:200]})" if self.text else ""
        return f"{self.path} answered {self.code.name}{reason}{fields}{text}"

    __repr__ = __str__


def answered(path: str, response: Message | None = None) -> Answer:
    """The answer of a call that succeeded."""
    return Answer(path=path, code=grpc.StatusCode.OK, response=response)


def refused(path: str, code: grpc.StatusCode, text: str, trailers: Iterable[Any] | None) -> Answer:
    """The answer of a call that did not, with what its trailers tell."""
    raw = next((value for key, value in trailers or () if key == STATUS_KEY), b"")
    status = raw.encode() if isinstance(raw, str) else raw
    details = _details(status)
    info = next((each for each in details if isinstance(each, error_details_pb2.ErrorInfo)), None)
    bad = [each for each in details if isinstance(each, error_details_pb2.BadRequest)]
    return Answer(
        path=path,
        code=code,
        reason="" if info is None else info.reason,
        domain="" if info is None else info.domain,
        metadata={} if info is None else dict(info.metadata),
        violations=tuple(violation.field for each in bad for violation in each.field_violations),
        details=details,
        text=text,
        status=status,
    )


def _details(status: bytes) -> tuple[Message, ...]:
    """Details of known types. What cannot be read is left out: a case that needs it then says that it is not there."""
    try:
        packed = status_pb2.Status.FromString(status).details
    except DecodeError:
        return ()
    found = []
    for each in packed:
        kind = _DETAILS.get(each.type_url.rpartition("/")[2])
        try:
            if kind is not None:
                found.append(kind.FromString(each.value))
        except DecodeError:
            continue
    return tuple(found)
