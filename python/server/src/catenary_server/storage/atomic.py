"""Writes files so that each is there whole or not at all, whatever happens to the process in between.

Bytes go to an unfinished file in the folder of the final one and reach the disk before the name changes hands; then the
folder itself is synchronised. A killed process leaves unfinished files behind, never a torn final one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import secrets
from typing import TYPE_CHECKING, Self

from catenary_server.domain.client_path import RESERVED_PREFIX
from catenary_server.storage.confinement import Kind, Place, kind_in, open_folder
from catenary_server.storage.faults import as_failures, not_allowed

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from typing_extensions import Buffer

UNFINISHED_PREFIX = f"{RESERVED_PREFIX}unfinished-"
"""Names of files that are being written start so; no client's path may."""

_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Draft:
    """Files that are being written, none of which can be seen before all of them are there.

    Args:
        places: where they will be; missing folders are made. At a place that nothing is written for, nothing stays.
        commits: held while names change hands, so that no two writers of this process see the same free name.

    Use it as a context manager: what was not published is gone at its end.
    """

    def __init__(self, places: Iterable[Place], commits: threading.Lock) -> None:
        self._places = tuple(places)
        self._commits = commits
        self._stack = contextlib.ExitStack()
        self._folders: dict[Place, int] = {}
        self._files: dict[Place, _Unfinished] = {}

    def __enter__(self) -> Self:
        try:
            self._folders = {place: _folder_for(place, self._stack) for place in self._places}
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def occupied(self) -> tuple[Place, ...]:
        """The places that hold a file now.

        Raises:
            Failure: PATH_NOT_ALLOWED for a folder, a link or a special file.
        """
        taken = []
        for place, folder in self._folders.items():
            with as_failures(place.name):
                kind = kind_in(folder, place.parts[-1])
            if kind in {Kind.FOLDER, Kind.OTHER}:
                raise not_allowed(place.name, "is not a plain file")
            if kind is not Kind.MISSING:
                taken.append(place)
        return tuple(taken)

    def append(self, place: Place, content: Buffer) -> None:
        """Write bytes behind those of before.

        Raises:
            Failure: DISK_FULL, STORAGE_IO.
        """
        with as_failures(place.name):
            if place not in self._files:
                self._files[place] = _Unfinished.begin(self._folders[place], self._stack)
            self._files[place].append(memoryview(content))

    def read(self, place: Place, offset: int, length: int) -> bytes:
        """Bytes that were written, fewer at the end."""
        with as_failures(place.name):
            return os.pread(self._files[place].descriptor, length, offset)

    def publish(self, *, replace: bool) -> tuple[Place, ...]:
        """Give the files their names in order, so that the last one vouches for the others.

        Returns:
            The places that hold files already, if there are any and `replace` is false: then nothing was published.

        Raises:
            Failure: PATH_NOT_ALLOWED, DISK_FULL, STORAGE_IO.
        """
        for place, file in self._files.items():
            with as_failures(place.name):
                os.fsync(file.descriptor)
        with self._commits:
            taken = self.occupied()
            if taken and not replace:
                return taken
            for place in self._places:
                with as_failures(place.name):
                    self._publish(place)
        return ()

    def _publish(self, place: Place) -> None:
        folder = self._folders[place]
        if place in self._files:
            os.replace(self._files[place].name, place.parts[-1], src_dir_fd=folder, dst_dir_fd=folder)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(place.parts[-1], dir_fd=folder)
        os.fsync(folder)


@dataclasses.dataclass(frozen=True, slots=True)
class _Unfinished:
    """A file that is not under its name yet. The descriptors are open."""

    folder: int
    name: str
    descriptor: int

    @staticmethod
    def begin(folder: int, stack: contextlib.ExitStack) -> _Unfinished:
        name = f"{UNFINISHED_PREFIX}{secrets.token_hex(8)}"
        descriptor = os.open(name, _NEW_FILE, mode=0o644, dir_fd=folder)
        file = _Unfinished(folder, name, descriptor)
        stack.callback(file.discard)
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # a sweep of another server leaves the file alone while this one lives
        return file

    def append(self, content: memoryview) -> None:
        while content:
            content = content[os.write(self.descriptor, content) :]

    def discard(self) -> None:
        os.close(self.descriptor)
        with contextlib.suppress(FileNotFoundError):  # published
            os.unlink(self.name, dir_fd=self.folder)


def write_files(files: Mapping[Place, bytes], *, replace: bool, commits: threading.Lock) -> tuple[Place, ...]:
    """Write all files whole; see `Draft.publish`.

    Args:
        files: content by place.
        replace: whether existing files give way.
        commits: see `Draft`.

    Raises:
        Failure: PATH_NOT_ALLOWED, DISK_FULL, STORAGE_IO; no unfinished file stays behind.
    """
    with Draft(files, commits) as draft:
        taken = draft.occupied()
        if taken and not replace:
            return taken
        for place, content in files.items():
            draft.append(place, content)
        return draft.publish(replace=replace)


def sweep(root: Path) -> int:
    """Remove the unfinished files below `root` that no live process is writing, and say how many there were."""
    removed = 0
    if not root.is_dir():
        return removed
    for _, _, names, folder in os.fwalk(root):
        for name in names:
            if name.startswith(UNFINISHED_PREFIX):
                removed += _remove_if_abandoned(folder, name)
    return removed


def _folder_for(place: Place, stack: contextlib.ExitStack) -> int:
    with as_failures(place.name):
        return stack.enter_context(open_folder(place.root, place.parts[:-1], create=True))


def _remove_if_abandoned(folder: int, name: str) -> bool:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name, dir_fd=folder)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
