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
from typing import TYPE_CHECKING

from catenary_server.domain.client_path import RESERVED_PREFIX
from catenary_server.storage.confinement import Kind, Place, kind_in, open_folder
from catenary_server.storage.faults import as_failures, not_allowed

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping
    from pathlib import Path

UNFINISHED_PREFIX = f"{RESERVED_PREFIX}unfinished-"
"""Names of files that are being written start so; no client's path may."""

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclasses.dataclass(frozen=True, slots=True)
class _Unfinished:
    """A file whose bytes are on the disk, but not under their name yet. The descriptors are open."""

    place: Place
    folder: int
    name: str

    def publish(self) -> None:
        os.replace(self.name, self.place.parts[-1], src_dir_fd=self.folder, dst_dir_fd=self.folder)
        os.fsync(self.folder)

    def discard(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.name, dir_fd=self.folder)


def write_files(files: Mapping[Place, bytes], *, replace: bool, commits: threading.Lock) -> tuple[Place, ...]:
    """Write all files, then give them their names in order, so that the last one vouches for the others.

    Args:
        files: content by place; missing folders are made.
        replace: whether existing files give way.
        commits: held while names change hands, so that no two writers of this process see the same free name.

    Returns:
        The places that exist already, if there are any and `replace` is false: then nothing was written.

    Raises:
        Failure: PATH_NOT_ALLOWED, DISK_FULL, STORAGE_IO; no unfinished file stays behind.
    """
    with contextlib.ExitStack() as stack:
        folders = {place: _folder_for(place, stack) for place in files}
        taken = _occupied(folders)
        if taken and not replace:
            return taken
        unfinished = [_prepare(place, folders[place], content, stack) for place, content in files.items()]
        stack.enter_context(commits)
        taken = _occupied(folders)
        if taken and not replace:
            return taken
        for file in unfinished:
            with as_failures(file.place.name):
                file.publish()
    return ()


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


def _occupied(folders: Mapping[Place, int]) -> tuple[Place, ...]:
    """The places that hold a file already."""
    taken = []
    for place, folder in folders.items():
        with as_failures(place.name):
            kind = kind_in(folder, place.parts[-1])
        if kind in {Kind.FOLDER, Kind.OTHER}:
            raise not_allowed(place.name, "is not a plain file")
        if kind is not Kind.MISSING:
            taken.append(place)
    return tuple(taken)


def _prepare(place: Place, folder: int, content: bytes, stack: contextlib.ExitStack) -> _Unfinished:
    file = _Unfinished(place, folder, f"{UNFINISHED_PREFIX}{secrets.token_hex(8)}")
    with as_failures(place.name):
        descriptor = os.open(file.name, _NEW_FILE, mode=0o644, dir_fd=folder)
        stack.callback(file.discard)
        opened = stack.enter_context(os.fdopen(descriptor, "wb", buffering=0))
        fcntl.flock(opened, fcntl.LOCK_EX)  # a sweep of another server leaves the file alone while this one lives
        remaining = memoryview(content)
        while remaining:
            remaining = remaining[opened.write(remaining) :]
        os.fsync(opened.fileno())
    return file


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
