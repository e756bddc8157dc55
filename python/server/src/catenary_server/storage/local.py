"""The operator's roots on the local disk."""

from __future__ import annotations

import hashlib
import re
import threading
from typing import TYPE_CHECKING

from catenary_server.domain.client_path import RESERVED_PREFIX
from catenary_server.domain.threads import in_thread
from catenary_server.storage.area import LocalArea
from catenary_server.storage.atomic import sweep
from catenary_server.storage.datasets import LocalDatasets
from catenary_server.storage.quota import Room

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_AREAS = f"{RESERVED_PREFIX}principals"


class LocalStorage:
    """A `Storage` on the local disk.

    The anonymous principal's area is the artifact root itself. Every other principal has a folder below
    `.catenary-principals`, which no path of a client can name.

    Args:
        artifact_root: folder for what the server writes; made when the first file is written.
        data_roots: folders with scenes; only read.
        config_roots: folders with pipelines and their weights; only read.
        anonymous: name of the principal of callers without a token.
        quota: bytes that the files of one principal may take together; None sets no bound.
    """

    def __init__(
        self,
        artifact_root: Path,
        data_roots: Sequence[Path] = (),
        *,
        config_roots: Sequence[Path] = (),
        anonymous: str = "anonymous",
        quota: int | None = None,
    ) -> None:
        self._artifact_root = artifact_root.resolve()
        self._data_roots = tuple(root.resolve() for root in data_roots)
        self._config_roots = tuple(root.resolve() for root in config_roots)
        self._anonymous = anonymous
        self._quota = quota
        self._commits = threading.Lock()

    def area(self, principal: str) -> LocalArea:
        """The files of a principal."""
        root = self._root(principal)
        return LocalArea(root, self._data_roots, self._commits, self._room(root), self._config_roots)

    def datasets(self, principal: str) -> LocalDatasets:
        """See `DatasetStorage.datasets`."""
        return LocalDatasets(self._root(principal), self._quota)

    async def sweep_datasets(self, *, unfinished_before: float, deleted_before: float) -> None:
        """See `DatasetStorage.sweep_datasets`."""

        def sweep_all() -> None:
            for root in self._roots():
                LocalDatasets(root).sweep(unfinished_before=unfinished_before, deleted_before=deleted_before)

        await in_thread(sweep_all)

    def sweep(self) -> int:
        """Remove unfinished files of a server that was killed; call it before the first request.

        Returns:
            How many there were.
        """
        return sweep(self._artifact_root)

    def _root(self, principal: str) -> Path:
        if principal == self._anonymous:
            return self._artifact_root
        return self._artifact_root / _AREAS / _folder_name(principal)

    def _roots(self) -> Iterator[Path]:
        """The areas of all principals that have written anything."""
        yield self._artifact_root
        areas = self._artifact_root / _AREAS
        if areas.is_dir():
            yield from areas.iterdir()

    def _room(self, root: Path) -> Room | None:
        return None if self._quota is None else Room(LocalDatasets(root).reserved, self._quota)


def _folder_name(principal: str) -> str:
    """A folder name that operators recognise and that no other principal shares, not even on disks that fold case."""
    readable = re.sub(r"[^a-z0-9]+", "-", principal.lower())[:40].strip("-")
    digest = hashlib.sha256(principal.encode("utf-8", "surrogatepass")).hexdigest()[:24]
    return f"{readable}-{digest}".lstrip("-")
