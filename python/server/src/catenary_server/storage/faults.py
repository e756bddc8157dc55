"""Turns errors of the operating system into failures that a client can act on."""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure, Reason, Resource, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_PLAIN = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO})
_RETRY_WHEN_FULL_S = 30.0
_RETRY_AFTER_ERROR_S = 5.0


@contextlib.contextmanager
def as_failures(name: str) -> Iterator[None]:
    """Raise what goes wrong inside as a `Failure` about the file that the client knows as `name`.

    Raises:
        Failure: ARTIFACT_NOT_FOUND, PATH_NOT_ALLOWED (a link, or a file where a folder should be), DISK_FULL, or
            STORAGE_IO for everything else. No message holds more of the server's paths than `name` does.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise not_found(name) from error
    except OSError as error:
        if error.errno in _NOT_PLAIN:
            raise not_allowed(name, "is, or lies behind, a link or something that is not a folder") from error
        if error.errno in _NO_ROOM:
            raise Failure(
                Reason.DISK_FULL,
                f"no room on the server's disk for {name!r}: delete files or ask its operator",
                resource=Resource("artifact", name),
                violations=(Violation("disk", "no space left for the file"),),
                retry_after=_RETRY_WHEN_FULL_S,
            ) from error
        code = errno.errorcode.get(error.errno or 0, "unknown error")
        raise Failure(
            Reason.STORAGE_IO,
            f"the server's storage failed ({code}) at {name!r}: retry, and tell its operator if that does not help",
            resource=Resource("artifact", name),
            retry_after=_RETRY_AFTER_ERROR_S,
        ) from error


def not_found(name: str) -> Failure:
    """ARTIFACT_NOT_FOUND for a file the client named."""
    return Failure(
        Reason.ARTIFACT_NOT_FOUND,
        f"there is no file {name!r}; ListAvailablePipelines says which pipelines there are, weights beside them",
        resource=Resource("artifact", name),
    )


def not_allowed(name: str, why: str) -> Failure:
    """PATH_NOT_ALLOWED for a place that exists but is not a plain file or folder."""
    return Failure(
        Reason.PATH_NOT_ALLOWED,
        f"{name!r} {why}; only plain files in plain folders are used",
        resource=Resource("artifact", name),
        violations=(Violation(name, why),),
    )
