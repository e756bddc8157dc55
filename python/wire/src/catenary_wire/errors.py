"""Failures as gRPC statuses with details, both ways.

Every non-OK status of a server carries a `google.rpc.ErrorInfo` with reason and domain, and the details that go with
its code. Runtimes lose the true code when a status grows above about 8 kB, so everything in it is bounded here.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from catenary_wire.reasons import CODES, Retry, reason_contract, reason_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from catenary.v1 import error_pb2

MessageT = TypeVar("MessageT", bound=Message)

DOMAIN = "catenary"
"""Domain of every `ErrorInfo` of the contract."""
MAX_STATUS_BYTES = 4096
MAX_MESSAGE_BYTES = 512
MAX_VIOLATIONS = 20
MAX_TEXT_BYTES = 256
"""Bound of one description, name or metadata value."""
MAX_METADATA = 8

DEFAULT_RETRY_SECONDS = 1.0
"""Delay named to a client when whoever failed had no better idea."""

CONNECTION_FAILED = "CONNECTION_FAILED"
"""Reason of an UNAVAILABLE that no server gave: nobody listens, or the connection broke."""

_STATUS_KEY = "grpc-status-details-bin"


@dataclasses.dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong, and where: a field path, a config key path, a tensor or a quota name."""

    subject: str
    description: str


@dataclasses.dataclass(frozen=True, slots=True)
class Resource:
    """What was missing, existed already or is damaged."""

    kind: str
    name: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a call failed, as a client can act on it.

    A failure without `ErrorInfo` was given by the runtime and not by a server of the contract. Its reason then is what
    the code means there: MESSAGE_TOO_LARGE for RESOURCE_EXHAUSTED, FEATURE_DISABLED for UNIMPLEMENTED,
    CONNECTION_FAILED for UNAVAILABLE, and the name of the code for every other.
    """

    reason: str
    code: grpc.StatusCode
    message: str
    retry: Retry
    violations: tuple[Violation, ...] = ()
    resource: Resource | None = None
    retry_after: float | None = None
    """Seconds to wait before a retry, as the server asks."""
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)


def status_of(
    reason: str,
    message: str,
    *,
    violations: Sequence[Violation] = (),
    resource: Resource | None = None,
    retry_after: float | None = None,
    metadata: Mapping[str, str] | None = None,
    method: str = "",
) -> grpc.Status:
    """The status of a failure: code, message and trailing metadata for `abort`.

    Args:
        reason: name of a `catenary.v1.ErrorReason` value without its prefix; code and retry rule follow from it.
        message: for people, says what to do next; 512 bytes of it are sent.
        violations: every single fault; 20 are sent, and `truncated` in the metadata says when there were more.
        resource: what the failure is about.
        retry_after: seconds until a retry makes sense; ignored for reasons that may not be retried.
        metadata: further facts, for example `incident_id` or `next_offset`.
        method: path of the RPC.

    Raises:
        ValueError: the contract has no such reason, or the reason is one that is only given in band.
    """
    status: grpc.Status = rpc_status.to_status(
        status_message(
            reason,
            message,
            violations=violations,
            resource=resource,
            retry_after=retry_after,
            metadata=metadata,
            method=method,
        )
    )
    return status


def status_message(
    reason: str,
    message: str,
    *,
    violations: Sequence[Violation] = (),
    resource: Resource | None = None,
    retry_after: float | None = None,
    metadata: Mapping[str, str] | None = None,
    method: str = "",
) -> status_pb2.Status:
    """The same as `status_of`, as the message that goes into the trailing metadata.

    Raises:
        ValueError: as `status_of`.
    """
    code, retry = reason_contract(reason)
    if code is grpc.StatusCode.OK:
        raise ValueError(f"{reason} is given in band, never as a status")
    text = _clip(message, MAX_MESSAGE_BYTES)
    facts = dict(list((metadata or {}).items())[:MAX_METADATA]) | {"retryable": retry.value}
    if method:
        facts["method"] = method
    kept = [Violation(_clip(v.subject), _clip(v.description)) for v in violations[:MAX_VIOLATIONS]]
    fixed = _resource_info(code, resource, text) + _retry_info(code, retry, retry_after)
    while True:
        if len(kept) < len(violations):
            facts["truncated"] = "true"
        info = error_details_pb2.ErrorInfo(
            reason=reason, domain=DOMAIN, metadata={key: _clip(value) for key, value in facts.items()}
        )
        status = status_pb2.Status(code=code.value[0], message=text)
        for detail in (info, *_faults(code, reason, text, kept, resource), *fixed):
            status.details.add().Pack(detail)
        if status.ByteSize() <= MAX_STATUS_BYTES or not kept:
            return status
        kept.pop()


def failure_of(error: grpc.RpcError) -> Failure:
    """Why a call failed, from the error that either flavour of gRPC raised.

    Details that cannot be read count as missing; they never hide the failure itself.
    """
    message = error.details() or ""
    # Wider than the stubs say: asyncio's metadata is a class of its own, and a call that never started has none.
    trailing = cast("Iterable[tuple[str, str | bytes]] | None", error.trailing_metadata())
    status = _status_from(trailing or ())
    return failure_from_status(status) if status is not None else _bare(error.code(), message)


def failure_told(told: error_pb2.Failure) -> Failure:
    """A failure that a server told in band, as if it had been the status of a call."""
    reason = reason_name(told.reason)
    try:
        code, retry = reason_contract(reason)
    except ValueError:  # a reason that is newer than this client
        code, retry = grpc.StatusCode.UNKNOWN, Retry.NEVER
    return Failure(reason=reason, code=code, message=told.message, retry=retry)


def failure_from_status(status: status_pb2.Status) -> Failure:
    """Why a call failed, from the message that a server sent; a status without our `ErrorInfo` counts as bare."""
    code = CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    info = _unpacked(status, error_details_pb2.ErrorInfo())
    if info is None or info.domain != DOMAIN:
        return _bare(code, status.message)
    delay = _unpacked(status, error_details_pb2.RetryInfo())
    found = _unpacked(status, error_details_pb2.ResourceInfo())
    return Failure(
        reason=info.reason,
        code=code,
        message=status.message,
        retry=_retry(info),
        violations=_violations(status),
        resource=None if found is None else Resource(found.resource_type, found.resource_name),
        retry_after=None if delay is None else delay.retry_delay.ToTimedelta().total_seconds(),
        metadata=dict(info.metadata),
    )


def _bare(code: grpc.StatusCode, message: str) -> Failure:
    """A status that the runtime gave, by what its code means there."""
    reasons = {
        grpc.StatusCode.RESOURCE_EXHAUSTED: "MESSAGE_TOO_LARGE",
        grpc.StatusCode.UNIMPLEMENTED: "FEATURE_DISABLED",
        grpc.StatusCode.UNAVAILABLE: CONNECTION_FAILED,
    }
    # Only a broken connection: the deadline of a call is its caller's, and a cancelled call was cancelled by someone.
    retry = Retry.SAME_REQUEST_ID if code is grpc.StatusCode.UNAVAILABLE else Retry.NEVER
    return Failure(reason=reasons.get(code, code.name), code=code, message=message, retry=retry)


def _retry(info: error_details_pb2.ErrorInfo) -> Retry:
    """The server's word; a reason newer than this client may carry a rule that it does not know."""
    try:
        return Retry(info.metadata.get("retryable", ""))
    except ValueError:
        return Retry.NEVER


def _faults(
    code: grpc.StatusCode, reason: str, message: str, violations: Sequence[Violation], resource: Resource | None
) -> list[Message]:
    """The detail that lists what is wrong, of the kind that goes with the code."""
    whole = violations or [Violation(_clip(resource.name) if resource is not None else "", message)]
    match code:
        case grpc.StatusCode.FAILED_PRECONDITION:
            kind = error_details_pb2.PreconditionFailure.Violation
            parts = [kind(type=reason, subject=v.subject, description=v.description) for v in whole]
            return [error_details_pb2.PreconditionFailure(violations=parts)]
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            quotas = [
                error_details_pb2.QuotaFailure.Violation(subject=v.subject, description=v.description) for v in whole
            ]
            return [error_details_pb2.QuotaFailure(violations=quotas)]
        case _ if violations:
            fields = [
                error_details_pb2.BadRequest.FieldViolation(field=v.subject, description=v.description)
                for v in violations
            ]
            return [error_details_pb2.BadRequest(field_violations=fields)]
        case _:
            return []


def _resource_info(code: grpc.StatusCode, resource: Resource | None, message: str) -> list[Message]:
    about_one = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.DATA_LOSS)
    if resource is None or code not in about_one:
        return []
    kind, name = _clip(resource.kind), _clip(resource.name)
    return [error_details_pb2.ResourceInfo(resource_type=kind, resource_name=name, description=_clip(message))]


def _retry_info(code: grpc.StatusCode, retry: Retry, retry_after: float | None) -> list[Message]:
    """The delay; where one must be named and nobody named one, the default."""
    promised = retry is Retry.AFTER_DELAY or code in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    )
    if retry is Retry.NEVER or (retry_after is None and not promised):
        return []
    info = error_details_pb2.RetryInfo()
    seconds = DEFAULT_RETRY_SECONDS if retry_after is None else max(retry_after, 0.0)
    info.retry_delay.FromNanoseconds(round(seconds * 1e9))
    return [info]


def _status_from(trailing: Iterable[tuple[str, str | bytes]]) -> status_pb2.Status | None:
    for key, value in trailing:
        if key == _STATUS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return None
    return None


def _unpacked(status: status_pb2.Status, detail: MessageT) -> MessageT | None:
    for packed in status.details:
        if packed.Is(detail.DESCRIPTOR):
            try:
                packed.Unpack(detail)
            except DecodeError:
                return None
            return detail
    return None


def _violations(status: status_pb2.Status) -> tuple[Violation, ...]:
    if (fields := _unpacked(status, error_details_pb2.BadRequest())) is not None:
        return tuple(Violation(v.field, v.description) for v in fields.field_violations)
    if (unmet := _unpacked(status, error_details_pb2.PreconditionFailure())) is not None:
        return tuple(Violation(v.subject, v.description) for v in unmet.violations)
    if (quotas := _unpacked(status, error_details_pb2.QuotaFailure())) is not None:
        return tuple(Violation(v.subject, v.description) for v in quotas.violations)
    return ()


def _clip(text: str, limit: int = MAX_TEXT_BYTES) -> str:
    """The text, cut at a character so that it has at most `limit` bytes; lone surrogates, which UTF-8 lacks, go."""
    encoded = text.encode("utf-8", errors="replace")
    return encoded[:limit].decode("utf-8", errors="ignore")
