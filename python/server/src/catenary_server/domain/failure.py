"""The one exception that becomes a status: everything a client can be told went wrong, as a typed reason."""

from __future__ import annotations

import dataclasses
import enum


class Reason(enum.StrEnum):
    """Why a request was refused or a run ended early: the values of `catenary.v1.ErrorReason` without their prefix.

    The status code and the retry rule of each reason stand once, as options of the enum in `error.proto`.
    """

    MALFORMED_MESSAGE = "MALFORMED_MESSAGE"
    FIELD_INVALID = "FIELD_INVALID"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    TOKEN_MISSING = "TOKEN_MISSING"  # noqa: S105 - a reason, not a secret
    TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105 - a reason, not a secret
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105 - a reason, not a secret
    SCOPE_MISSING = "SCOPE_MISSING"
    RATE_LIMITED = "RATE_LIMITED"
    QUOTA_RPCS = "QUOTA_RPCS"
    QUOTA_STREAMS = "QUOTA_STREAMS"
    DRAINING = "DRAINING"
    OVERLOADED = "OVERLOADED"
    FEATURE_DISABLED = "FEATURE_DISABLED"
    SHM_DISABLED = "SHM_DISABLED"
    INTERNAL_BUG = "INTERNAL_BUG"
    SESSION_NOT_FOUND = "SESSION_NOT_FOUND"
    QUOTA_SESSIONS = "QUOTA_SESSIONS"
    QUOTA_MEMORY = "QUOTA_MEMORY"
    SESSION_BUSY = "SESSION_BUSY"
    SESSION_CLOSING = "SESSION_CLOSING"
    STATE_INVALID = "STATE_INVALID"
    IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT"
    CONFIG_NOT_FOUND = "CONFIG_NOT_FOUND"
    CONFIG_INVALID = "CONFIG_INVALID"
    OVERRIDE_SYNTAX = "OVERRIDE_SYNTAX"
    CONFIG_TARGET_FORBIDDEN = "CONFIG_TARGET_FORBIDDEN"
    CONFIG_RESOLVER_FORBIDDEN = "CONFIG_RESOLVER_FORBIDDEN"
    CONFIG_TOO_COMPLEX = "CONFIG_TOO_COMPLEX"
    PATH_INVALID = "PATH_INVALID"
    PATH_NOT_ALLOWED = "PATH_NOT_ALLOWED"
    ARTIFACT_NOT_FOUND = "ARTIFACT_NOT_FOUND"
    ARTIFACT_EXISTS = "ARTIFACT_EXISTS"
    ARTIFACT_CORRUPT = "ARTIFACT_CORRUPT"
    WEIGHTS_CORRUPT = "WEIGHTS_CORRUPT"
    DISK_FULL = "DISK_FULL"
    QUOTA_DISK = "QUOTA_DISK"
    STORAGE_IO = "STORAGE_IO"
    NODE_TYPE_UNKNOWN = "NODE_TYPE_UNKNOWN"
    GRAPH_INVALID = "GRAPH_INVALID"
    PLUGIN_NOT_INSTALLED = "PLUGIN_NOT_INSTALLED"
    WEIGHTS_FORMAT_FORBIDDEN = "WEIGHTS_FORMAT_FORBIDDEN"
    WEIGHTS_MISMATCH = "WEIGHTS_MISMATCH"
    ALREADY_TRAINING = "ALREADY_TRAINING"
    NON_FINITE_LOSS = "NON_FINITE_LOSS"
    DATASET_NOT_FOUND = "DATASET_NOT_FOUND"
    DATASET_INVALID = "DATASET_INVALID"
    TRAIN_CANCELLED = "TRAIN_CANCELLED"
    READER_UNAVAILABLE = "READER_UNAVAILABLE"
    UPLOAD_OFFSET_MISMATCH = "UPLOAD_OFFSET_MISMATCH"
    UPLOAD_CHECKSUM_MISMATCH = "UPLOAD_CHECKSUM_MISMATCH"
    PLUGIN_NOT_ALLOWED = "PLUGIN_NOT_ALLOWED"
    PLUGIN_NOT_FOUND = "PLUGIN_NOT_FOUND"
    DEVICE_INVALID = "DEVICE_INVALID"
    RUN_NOT_FOUND = "RUN_NOT_FOUND"
    RUN_EXISTS = "RUN_EXISTS"
    COMMAND_EXPIRED = "COMMAND_EXPIRED"
    GPU_OUT_OF_MEMORY = "GPU_OUT_OF_MEMORY"
    DEVICE_UNAVAILABLE = "DEVICE_UNAVAILABLE"
    WORKER_CRASHED = "WORKER_CRASHED"
    WORKER_HUNG = "WORKER_HUNG"
    TENSOR_SHAPE = "TENSOR_SHAPE"
    TENSOR_DTYPE = "TENSOR_DTYPE"
    TENSOR_SIZE_MISMATCH = "TENSOR_SIZE_MISMATCH"
    INPUT_NAME_MISSING = "INPUT_NAME_MISSING"
    INPUT_NAME_UNKNOWN = "INPUT_NAME_UNKNOWN"
    NODE_FAILED = "NODE_FAILED"
    SHM_NOT_OWNER = "SHM_NOT_OWNER"
    SHM_RANGE = "SHM_RANGE"
    RUN_NOT_REGISTERED = "RUN_NOT_REGISTERED"
    SEQ_GAP = "SEQ_GAP"
    STALE_EPOCH = "STALE_EPOCH"
    STREAM_SUPERSEDED = "STREAM_SUPERSEDED"
    BUFFER_FULL = "BUFFER_FULL"
    HEARTBEAT_LOST = "HEARTBEAT_LOST"
    IMAGE_INVALID = "IMAGE_INVALID"
    COMMAND_INVALID = "COMMAND_INVALID"


@dataclasses.dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong, and where: a field path, a config key path, a tensor or a quota name."""

    subject: str
    description: str


@dataclasses.dataclass(frozen=True, slots=True)
class Resource:
    """What was missing, existed already or is damaged, by the name its owner knows it under."""

    kind: str
    name: str


class Failure(Exception):
    """A request that cannot be granted, or a run that ended early, for a reason the client can act on.

    Args:
        reason: the typed reason; clients match on it, never on the message.
        message: for humans; says what to do next and names the resource. At most 512 bytes reach the client.
        resource: what the reason is about, where it is about one thing.
        violations: every single fault found, so that a client mends them all at once; at most 20 reach the client.
        retry_after: seconds until a retry makes sense, for the reasons that may be retried.
        metadata: further machine-readable facts, for example `next_offset`.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        resource: Resource | None = None,
        violations: tuple[Violation, ...] = (),
        retry_after: float | None = None,
        metadata: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.resource = resource
        self.violations = violations
        self.retry_after = retry_after
        self.metadata = metadata or {}

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the keyword arguments when a worker sends the failure to the front end."""
        return _rebuild, (self.reason, self.message, self.resource, self.violations, self.retry_after, self.metadata)


def _rebuild(  # noqa: PLR0917 - pickle calls it with positions
    reason: Reason,
    message: str,
    resource: Resource | None,
    violations: tuple[Violation, ...],
    retry_after: float | None,
    metadata: dict[str, str],
) -> Failure:
    return Failure(
        reason, message, resource=resource, violations=violations, retry_after=retry_after, metadata=metadata
    )
