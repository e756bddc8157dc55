"""Failed calls as exceptions: one class for each family of reasons, so that a program catches what it can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from catenary_wire.errors import CONNECTION_FAILED, Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary_wire.errors import Resource, Violation


class CatenaryError(Exception):
    """A call or a run that failed.

    Match on the class or on `reason`, never on the text, which is for people.

    Args:
        failure: why, as the server or the runtime said it.
        method: path of the RPC.
    """

    def __init__(self, failure: Failure, method: str = "") -> None:
        super().__init__(_text(failure))
        self.failure = failure
        self.method = method

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the facts when the exception crosses a process border."""
        return type(self), (self.failure, self.method)

    @property
    def reason(self) -> str:
        """Name of the `catenary.v1.ErrorReason` value without its prefix, or as `catenary_wire.errors.Failure` says."""
        return self.failure.reason

    @property
    def code(self) -> grpc.StatusCode:
        """Status code; OK for the end of a run, which is no status."""
        return self.failure.code

    @property
    def violations(self) -> tuple[Violation, ...]:
        """Every single fault and where it is."""
        return self.failure.violations

    @property
    def resource(self) -> Resource | None:
        """What was missing, existed already or is damaged."""
        return self.failure.resource

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait before a retry, as the server asks; None when it does not."""
        return self.failure.retry_after

    @property
    def metadata(self) -> Mapping[str, str]:
        """Further facts, for example `incident_id` or `next_offset`."""
        return self.failure.metadata


class ConnectionFailedError(CatenaryError):
    """Nobody answered at the address, or the connection broke."""


class AuthenticationError(CatenaryError):
    """The token is missing, unknown or past its end."""


class PermissionDeniedError(CatenaryError):
    """The token does not carry what the call needs."""


class InvalidRequestError(CatenaryError):
    """The request breaks a rule; `violations` names each field."""


class ConfigError(InvalidRequestError):
    """The configuration or an override is refused; `violations` names each key."""


class TensorError(InvalidRequestError):
    """An input does not fit its port."""


class NotFoundError(CatenaryError):
    """There is nothing of that name for the caller."""


class SessionNotFoundError(NotFoundError):
    """The session is unknown, closed or expired."""


class AlreadyExistsError(CatenaryError):
    """Something of that name is there already."""


class PreconditionError(CatenaryError):
    """The session is in a state that lacks what the call needs; `violations` says what to do first."""


class BusyError(CatenaryError):
    """The session does something that excludes the call, or is being closed."""


class LimitExceededError(CatenaryError):
    """A limit of the server is reached."""


class MessageTooLargeError(LimitExceededError):
    """The message is above the limit of its RPC."""


class UnavailableError(CatenaryError):
    """The server cannot do it now: it drains, is overloaded, or lost the worker."""


class UnsupportedError(CatenaryError):
    """The server does not offer the call."""


class DataLossError(CatenaryError):
    """A stored file or an upload is damaged."""


class DeadlineError(CatenaryError):
    """The call took longer than it was given."""


class ServerFaultError(CatenaryError):
    """A defect of the server; `metadata["incident_id"]` finds it in its log."""


class RunFailedError(CatenaryError):
    """A run or an evaluation that started and broke off."""


_BY_REASON: dict[str, type[CatenaryError]] = {
    CONNECTION_FAILED: ConnectionFailedError,
    "SESSION_NOT_FOUND": SessionNotFoundError,
    "MESSAGE_TOO_LARGE": MessageTooLargeError,
    "OVERRIDE_SYNTAX": ConfigError,
    "NODE_TYPE_UNKNOWN": ConfigError,
    "GRAPH_INVALID": ConfigError,
    "INPUT_NAME_MISSING": TensorError,
    "INPUT_NAME_UNKNOWN": TensorError,
}
_BY_FAMILY: dict[tuple[str, grpc.StatusCode], type[CatenaryError]] = {
    ("CONFIG", grpc.StatusCode.INVALID_ARGUMENT): ConfigError,
    ("TENSOR", grpc.StatusCode.INVALID_ARGUMENT): TensorError,
}
_BY_CODE: dict[grpc.StatusCode, type[CatenaryError]] = {
    grpc.StatusCode.UNAUTHENTICATED: AuthenticationError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequestError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExistsError,
    grpc.StatusCode.FAILED_PRECONDITION: PreconditionError,
    grpc.StatusCode.ABORTED: BusyError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: LimitExceededError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.UNIMPLEMENTED: UnsupportedError,
    grpc.StatusCode.DATA_LOSS: DataLossError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineError,
    grpc.StatusCode.INTERNAL: ServerFaultError,
    # A server of this contract never sends it: its runtime does, when a handler breaks.
    grpc.StatusCode.UNKNOWN: ServerFaultError,
}


def error_for(failure: Failure, method: str = "") -> CatenaryError:
    """The exception for a failed call, of the class that its reason, else its code, belongs to."""
    family = (failure.reason.partition("_")[0], failure.code)
    kind = _BY_REASON.get(failure.reason) or _BY_FAMILY.get(family) or _BY_CODE.get(failure.code, CatenaryError)
    return kind(failure, method)


def _text(failure: Failure) -> str:
    lines = [f"{failure.reason}: {failure.message}" if failure.message else failure.reason]
    lines += [
        f"  {violation.subject}: {violation.description}" if violation.subject else f"  {violation.description}"
        for violation in failure.violations
        if violation.description != failure.message
    ]
    if "incident_id" in failure.metadata:
        lines.append(f"  incident {failure.metadata['incident_id']}")
    return "\n".join(lines)
