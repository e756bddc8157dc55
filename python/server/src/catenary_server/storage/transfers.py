"""Files of a pipeline on their way in and out, a piece at a time."""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure, Reason, Resource
from catenary_server.domain.threads import in_thread
from catenary_server.storage.atomic import Draft
from catenary_server.storage.confinement import NotPlainError, Place, open_file
from catenary_server.storage.faults import as_failures, not_allowed

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

_READ_BYTES = 1 << 20


class LocalDraft:
    """A `FileDraft` on the local disk."""

    def __init__(self, places: Sequence[Place], commits: threading.Lock) -> None:
        self._places = tuple(places)
        self._draft = Draft(self._places, commits)
        self._digests = [hashlib.sha256() for _ in places]

    async def open(self) -> tuple[Place, ...]:
        """Make the folders; returns the places that hold files now."""
        return await in_thread(self._open)

    async def append(self, index: int, content: memoryview) -> None:
        """See `FileDraft.append`."""
        await in_thread(self._append, index, content)

    async def read(self, index: int, offset: int, length: int) -> bytes:
        """See `FileDraft.read`."""
        return await in_thread(self._draft.read, self._places[index], offset, length)

    def sha256(self, index: int) -> bytes:
        """See `FileDraft.sha256`."""
        return self._digests[index].digest()

    async def publish(self, *, must_not_exist: bool) -> None:
        """See `FileDraft.publish`."""
        refuse_taken(await in_thread(self._draft.publish, replace=not must_not_exist))

    async def close(self) -> None:
        """See `FileDraft.close`."""
        await in_thread(self._draft.__exit__)

    def _open(self) -> tuple[Place, ...]:
        self._draft.__enter__()
        return self._draft.occupied()

    def _append(self, index: int, content: memoryview) -> None:
        self._draft.append(self._places[index], content)
        self._digests[index].update(content)


class LocalSnapshot:
    """A `FileSnapshot` on the local disk: descriptors, which keep the files as they are whatever takes their names."""

    def __init__(self, places: Sequence[Place], commits: threading.Lock) -> None:
        self._places = tuple(places)
        self._commits = commits
        self._stack = contextlib.ExitStack()
        self._descriptors: list[int | None] = []

    async def open(self) -> None:
        """Open what is there, all at one moment."""
        await in_thread(self._open)

    @property
    def sizes(self) -> tuple[int | None, ...]:
        """See `FileSnapshot.sizes`."""
        return tuple(None if each is None else os.fstat(each).st_size for each in self._descriptors)

    async def read(self, index: int, offset: int, length: int) -> bytes:
        """See `FileSnapshot.read`."""
        return await in_thread(self._read, index, offset, length)

    async def sha256(self, index: int) -> bytes:
        """See `FileSnapshot.sha256`."""
        return await in_thread(self._sha256, index)

    async def close(self) -> None:
        """See `FileSnapshot.close`."""
        await in_thread(self._stack.close)

    def _open(self) -> None:
        try:
            with self._commits:
                self._descriptors = [self._opened(place) for place in self._places]
        except BaseException:
            self._stack.close()
            raise

    def _opened(self, place: Place) -> int | None:
        with as_failures(place.name):
            try:
                descriptor = open_file(place)
            except FileNotFoundError:
                return None
            except NotPlainError as error:
                raise not_allowed(place.name, "is not a plain file") from error
        self._stack.callback(os.close, descriptor)
        return descriptor

    def _read(self, index: int, offset: int, length: int) -> bytes:
        descriptor, name = self._descriptors[index], self._places[index].name
        assert descriptor is not None  # noqa: S101 - sizes says so
        with as_failures(name):
            content = os.pread(descriptor, length, offset)
        if len(content) < length:
            raise Failure(
                Reason.ARTIFACT_CORRUPT,
                f"{name!r} has become shorter while it was read: save it again",
                resource=Resource("artifact", name),
            )
        return content

    def _sha256(self, index: int) -> bytes:
        digest, size = hashlib.sha256(), self.sizes[index] or 0
        for offset in range(0, size, _READ_BYTES):
            digest.update(self._read(index, offset, min(_READ_BYTES, size - offset)))
        return digest.digest()


def refuse_taken(taken: Sequence[Place]) -> None:
    """Raise ARTIFACT_EXISTS if places hold files that must not be replaced."""
    if taken:
        name = taken[0].name
        raise Failure(
            Reason.ARTIFACT_EXISTS,
            f"{name!r} exists already: choose another name, or allow it to be replaced",
            resource=Resource("artifact", name),
        )
