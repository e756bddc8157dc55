"""Opens places below a root one component at a time, each without following links, so that no race leads outside."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Kind(enum.Enum):
    """What lies at a place."""

    MISSING = enum.auto()
    FILE = enum.auto()
    SHARED_FILE = enum.auto()
    """A file with a second name elsewhere. No request can make one, so the operator did."""
    FOLDER = enum.auto()
    OTHER = enum.auto()


class NotPlainError(OSError):
    """A link, a device, a queue or a file with several names where a plain file should be."""


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Something below one of the operator's roots. The root itself may be a link; nothing below it may."""

    root: Path
    parts: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.root.joinpath(*self.parts)

    @property
    def name(self) -> str:
        """Its path below the root, with `/`; the root itself is `.`."""
        return "/".join(self.parts) or "."

    def sibling(self, name: str) -> Place:
        """The place of that name in the same folder."""
        return Place(self.root, (*self.parts[:-1], name))


@contextlib.contextmanager
def open_folder(root: Path, parts: tuple[str, ...], *, create: bool = False) -> Iterator[int]:
    """A descriptor of a folder below `root`.

    Args:
        root: folder to start in.
        parts: components, none of them special.
        create: make what is missing, the root included.

    Raises:
        OSError: missing (ENOENT), or a component is a link or no folder (ENOTDIR, ELOOP).
    """
    if create:
        root.mkdir(parents=True, exist_ok=True)
    folder = os.open(root, _FOLDER)
    try:
        for part in parts:
            folder = _step_into(folder, part, create=create)
        yield folder
    finally:
        os.close(folder)


def _step_into(folder: int, part: str, *, create: bool) -> int:
    """The folder `part` of `folder`, which is closed if that works."""
    if create:
        with contextlib.suppress(FileExistsError):
            os.mkdir(part, dir_fd=folder)
            os.fsync(folder)
    inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    os.close(folder)
    return inner


def kind_of(place: Place) -> Kind:
    """What lies at a place now.

    Raises:
        OSError: a component on the way is a link or no folder.
    """
    if not place.parts:
        return Kind.FOLDER if place.root.is_dir() else Kind.MISSING
    try:
        with open_folder(place.root, place.parts[:-1]) as folder:
            return kind_in(folder, place.parts[-1])
    except FileNotFoundError:
        return Kind.MISSING


def kind_in(folder: int, name: str) -> Kind:
    """What lies under a name in an open folder."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return Kind.MISSING
    if stat.S_ISDIR(status.st_mode):
        return Kind.FOLDER
    if not stat.S_ISREG(status.st_mode):
        return Kind.OTHER
    return Kind.FILE if status.st_nlink == 1 else Kind.SHARED_FILE


def read_file(place: Place) -> bytes:
    """All bytes of a file.

    Raises:
        NotPlainError: it is a link, not a regular file, or has several names.
        OSError: any other reason, ENOENT if it is missing.
    """
    with os.fdopen(open_file(place), "rb") as file:
        return file.read()


def open_file(place: Place) -> int:
    """A descriptor to read a file with. Raises as `read_file`."""
    with open_folder(place.root, place.parts[:-1]) as folder:
        descriptor = os.open(place.parts[-1], _FILE, dir_fd=folder)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(descriptor)
        raise NotPlainError
    return descriptor
