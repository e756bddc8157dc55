"""The one place where a failure becomes a status, and where a bug becomes an incident."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, NoReturn

from catenary_server.domain.failure import Failure, Reason
from catenary_wire import errors

if TYPE_CHECKING:
    import grpc

    from catenary_server.transport.context import Context

log = logging.getLogger(__name__)


def status(failure: Failure, path: str) -> grpc.Status:
    """The status of a failure, with its details, for the call of this path."""
    resource = failure.resource
    return errors.status_of(
        failure.reason,
        failure.message,
        violations=[errors.Violation(each.subject, each.description) for each in failure.violations],
        resource=None if resource is None else errors.Resource(resource.kind, resource.name),
        retry_after=failure.retry_after,
        metadata=failure.metadata,
        method=path,
    )


async def refuse(context: Context, failure: Failure, path: str) -> NoReturn:
    """End a call with the status of a failure."""
    told = status(failure, path)
    await context.abort(told.code, told.details, told.trailing_metadata)


def incident(bug: Exception, path: str) -> Failure:
    """What a client learns about a defect of the server: an id and nothing else. The log has the rest under it."""
    incident_id = secrets.token_hex(8)
    log.error("incident %s in %s", incident_id, path, exc_info=bug, extra={"incident": incident_id, "rpc": path})
    return Failure(
        Reason.INTERNAL_BUG,
        f"a defect of the server; report incident {incident_id} to its operator",
        metadata={"incident_id": incident_id},
    )
