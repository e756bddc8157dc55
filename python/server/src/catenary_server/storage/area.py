"""The files of one principal on the local disk."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from catenary_server.domain.client_path import ClientPath
from catenary_server.domain.dataset import DATASETS_FOLDER
from catenary_server.domain.failure import Failure, Reason, Resource, Violation
from catenary_server.domain.threads import in_thread
from catenary_server.storage.atomic import write_files
from catenary_server.storage.confinement import Kind, NotPlainError, Place, kind_of, read_file
from catenary_server.storage.faults import as_failures, not_allowed, not_found
from catenary_server.storage.transfers import LocalDraft, LocalSnapshot, refuse_taken

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping, Sequence

    from catenary_server.storage.quota import Room


class LocalArea:
    """A `FileArea` in a folder.

    Args:
        root: folder of the principal; made when the first file is written.
        data_roots: folders whose files every principal may read.
        commits: held while names change hands, so that two writers of one process cannot both see a free name.
        room: how much may be written; None sets no bound.
        config_roots: folders of the operator with pipelines and their weights, which every principal may read.
    """

    def __init__(
        self,
        root: Path,
        data_roots: tuple[Path, ...],
        commits: threading.Lock,
        room: Room | None = None,
        config_roots: tuple[Path, ...] = (),
    ) -> None:
        self._root = root
        self._data_roots = data_roots
        self._readable = (root, *data_roots, *config_roots)
        self._commits = commits
        self._room = room

    def locate(self, path: str) -> Path:
        """See `FileArea.locate`; `.` is the area itself."""
        place = self._place_in_area(path)
        if place.parts[:1] == (DATASETS_FOLDER,):
            raise not_allowed(path, "is where uploaded datasets are kept")
        with as_failures(path):
            kind = kind_of(place)
        if kind is Kind.OTHER:
            raise not_allowed(path, "is a link or a special file")
        return place.path

    def name(self, place: Path, folders: Sequence[Path] = ()) -> str:
        """See `FileArea.name`; a file of the operator has its name below its root."""
        return self._place_of(place, (*folders, *self._readable)).name

    def find(self, path: str, suffixes: tuple[str, ...], folders: Sequence[Path] = ()) -> Path:
        """See `FileArea.find`. A file that is there under another suffix than asked for comes last."""
        for place in self._readable_places(path, folders):
            for candidate in _candidates(place, suffixes):
                with as_failures(path):
                    kind = kind_of(candidate)
                if kind is Kind.FILE:
                    return candidate.path
                if kind is not Kind.MISSING:
                    raise not_allowed(path, "is a folder, a link or a special file")
        raise not_found(path)

    def find_data(self, path: str) -> Path:
        """See `FileArea.find_data`; data roots come before the area. A folder of images is data, too."""
        for place in self._data_places(path):
            with as_failures(path):
                kind = kind_of(place)
            if kind is Kind.OTHER:
                raise not_allowed(path, "is a link or a special file")
            if kind is not Kind.MISSING:
                return place.path
        raise Failure(
            Reason.DATASET_NOT_FOUND,
            f"no data file {path!r} below the server's data roots or among your own files",
            resource=Resource("dataset", path),
        )

    async def read(self, place: Path) -> bytes:
        """See `FileArea.read`."""
        return await asyncio.to_thread(_read, self._place_of(place, self._readable))

    async def write(self, files: Mapping[Path, bytes], *, must_not_exist: bool) -> None:
        """See `FileArea.write`."""
        confined = {self._place_of(path, (self._root,)): content for path, content in files.items()}
        if not all(place.parts for place in confined):
            raise _outside(".")
        await asyncio.to_thread(self._write, confined, must_not_exist=must_not_exist)

    def _write(self, files: Mapping[Place, bytes], *, must_not_exist: bool) -> None:
        if self._room is not None:
            self._room.require(sum(len(content) for content in files.values()))
        refuse_taken(write_files(files, replace=not must_not_exist, commits=self._commits))

    async def draft(self, places: Sequence[Path], size: int, *, must_not_exist: bool) -> LocalDraft:
        """See `FileArea.draft`."""
        if self._room is not None:
            await in_thread(self._room.require, size)
        draft = LocalDraft([self._place_of(place, (self._root,)) for place in places], self._commits)
        try:
            taken = await draft.open()
            refuse_taken(taken if must_not_exist else ())
        except BaseException:
            await draft.close()
            raise
        return draft

    async def snapshot(self, places: Sequence[Path]) -> LocalSnapshot:
        """See `FileArea.snapshot`."""
        snapshot = LocalSnapshot([self._place_of(place, self._readable) for place in places], self._commits)
        await snapshot.open()
        return snapshot

    def _readable_places(self, path: str, folders: Sequence[Path]) -> tuple[Place, ...]:
        """Where a file may be that is only read: below the folders, then in the area."""
        parsed = ClientPath.parse(path)
        if not parsed.absolute:
            return tuple(Place(root, parsed.parts) for root in (*folders, self._root))
        place = _below((*folders, *self._readable), parsed)
        if place is None:
            raise _outside(path)
        return (place,)

    def _place_in_area(self, path: str) -> Place:
        parsed = ClientPath.parse(path)
        place = _below((self._root,), parsed) if parsed.absolute else Place(self._root, parsed.parts)
        if place is None:
            raise _outside(path)
        return place

    def _data_places(self, path: str) -> tuple[Place, ...]:
        parsed = ClientPath.parse(path)
        roots = (*self._data_roots, self._root)
        if not parsed.absolute:
            return tuple(Place(root, parsed.parts) for root in roots)
        place = _below(roots, parsed)
        if place is None:
            raise _outside(path)
        return (place,)

    @staticmethod
    def _place_of(path: Path, roots: tuple[Path, ...]) -> Place:
        """The place of an absolute path that an earlier call returned, or of one beside it."""
        place = _below(roots, ClientPath(absolute=True, parts=path.parts[1:]))
        if place is None or ".." in place.parts:
            raise _outside(path.name)
        return place


def _below(roots: tuple[Path, ...], path: ClientPath) -> Place | None:
    """The place that an absolute path means, below the first root that holds it."""
    for root in roots:
        stem = root.parts[1:]
        if path.parts[: len(stem)] == stem:
            return Place(root, path.parts[len(stem) :])
    return None


def _candidates(place: Place, suffixes: tuple[str, ...]) -> Iterator[Place]:
    """Where a file may be, best first: as named, with a suffix added, with the suffix exchanged, as named after all."""
    if not place.parts:
        return
    last = Path(place.parts[-1])
    if last.suffix in suffixes:
        yield place
    else:
        yield from (place.sibling(f"{last.name}{suffix}") for suffix in suffixes)
    if last.suffix:
        yield from (place.sibling(last.with_suffix(suffix).name) for suffix in suffixes if suffix != last.suffix)
    if last.suffix not in suffixes:
        yield place


def _read(place: Place) -> bytes:
    if not place.parts:
        raise not_allowed(place.name, "is a folder")
    with as_failures(place.name):
        try:
            return read_file(place)
        except NotPlainError as error:
            raise not_allowed(place.name, "is not a plain file") from error


def _outside(path: str) -> Failure:
    return Failure(
        Reason.PATH_INVALID,
        f"{path!r} is not in your part of the server: give a path relative to it",
        violations=(Violation("path", "must be relative, or absolute inside the server's roots"),),
    )
