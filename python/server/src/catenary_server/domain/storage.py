"""Where files of clients live: one area per principal below the artifact root, nothing outside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class FileArea(Protocol):
    """The files of one principal. Paths of clients are relative to the area, or absolute inside the operator's roots.

    Every method that takes a client's path raises PATH_INVALID for one that is malformed or leaves the area, and
    PATH_NOT_ALLOWED for a link or special file. What `name` returns can be sent back as a path later.
    """

    def locate(self, path: str) -> Path:
        """The absolute place of a file or folder that may not exist yet."""
        ...

    def name(self, place: Path) -> str:
        """The client's name of a place: relative to the area."""
        ...

    def find(self, path: str, suffixes: tuple[str, ...]) -> Path:
        """An existing file. The suffix may be left out or be one of a sibling: `x.pt` finds `x.safetensors`.

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


class Storage(Protocol):
    """The operator's roots."""

    def area(self, principal: str) -> FileArea:
        """The files of a principal."""
        ...
