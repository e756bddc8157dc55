"""Where files of clients live: one area per principal below the artifact root, nothing outside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class FileArea(Protocol):
    """The files of one principal. Paths of clients are relative to the area, or absolute inside the operator's roots.

    Every method that takes a client's path raises PATH_INVALID for one that is malformed or leaves the area, and
    PATH_NOT_ALLOWED for a link or special file. What `name` returns can be sent back as a path later.
    """

    def locate(self, path: str) -> Path:
        """The absolute place of a file or folder that may not exist yet."""
        ...

    def name(self, place: Path, folders: Sequence[Path] = ()) -> str:
        """The client's name of a place: relative to the first of `folders` that holds it, else to the area."""
        ...

    def find(self, path: str, suffixes: tuple[str, ...], folders: Sequence[Path] = ()) -> Path:
        """An existing file below one of `folders`, the first one first, or in the area.

        The suffix may be left out or be one of a sibling: `x.pt` finds `x.safetensors`. An absolute path may also lie
        inside one of the operator's roots.

        Raises:
            Failure: ARTIFACT_NOT_FOUND.
        """
        ...

    def find_data(self, path: str) -> Path:
        """An existing data file below a data root or in the area.

        Raises:
            Failure: DATASET_NOT_FOUND.
        """
        ...

    async def read(self, place: Path) -> bytes:
        """All bytes of a file.

        Raises:
            Failure: ARTIFACT_NOT_FOUND, STORAGE_IO.
        """
        ...

    async def write(self, files: Mapping[Path, bytes], *, must_not_exist: bool) -> None:
        """Write files so that each is there whole or not at all, also after a crash; the last one is written last.

        Raises:
            Failure: ARTIFACT_EXISTS if one is there and must not be, DISK_FULL, STORAGE_IO.
        """
        ...

    async def draft(self, places: Sequence[Path], size: int, *, must_not_exist: bool) -> FileDraft:
        """Begin to write files of `size` bytes together.

        Raises:
            Failure: ARTIFACT_EXISTS if one is there and must not be, QUOTA_DISK, PATH_NOT_ALLOWED, STORAGE_IO.
        """
        ...

    async def snapshot(self, places: Sequence[Path]) -> FileSnapshot:
        """Open files to be read in pieces, as they are now.

        Raises:
            Failure: PATH_NOT_ALLOWED, STORAGE_IO.
        """
        ...


class FileDraft(Protocol):
    """Files that are being written, by their index; none of them can be seen before `publish`."""

    async def append(self, index: int, content: memoryview) -> None:
        """Write bytes behind those of before.

        Raises:
            Failure: DISK_FULL, STORAGE_IO.
        """
        ...

    async def read(self, index: int, offset: int, length: int) -> bytes:
        """Bytes that were written; fewer than asked for at the end."""
        ...

    def sha256(self, index: int) -> bytes:
        """Of everything written so far."""
        ...

    async def publish(self, *, must_not_exist: bool) -> None:
        """Make all files visible, the first one first; at the place of one that was not written, nothing stays.

        Raises:
            Failure: ARTIFACT_EXISTS, PATH_NOT_ALLOWED, DISK_FULL, STORAGE_IO.
        """
        ...

    async def close(self) -> None:
        """Forget what was not published. To be called in any case."""
        ...


class FileSnapshot(Protocol):
    """Files as they were at one moment, by their index, whatever becomes of their names."""

    @property
    def sizes(self) -> tuple[int | None, ...]:
        """In bytes; None for a file that is not there."""
        ...

    async def read(self, index: int, offset: int, length: int) -> bytes:
        """Bytes of a file.

        Raises:
            Failure: ARTIFACT_CORRUPT if they are not there any more, STORAGE_IO.
        """
        ...

    async def sha256(self, index: int) -> bytes:
        """Of a whole file."""
        ...

    async def close(self) -> None:
        """To be called in any case."""
        ...


class Storage(Protocol):
    """The operator's roots."""

    def area(self, principal: str) -> FileArea:
        """The files of a principal."""
        ...
