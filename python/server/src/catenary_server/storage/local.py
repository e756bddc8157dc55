"""The operator's roots on the local disk."""

from __future__ import annotations

import hashlib
import re
import threading
from typing import TYPE_CHECKING

from catenary_server.domain.client_path import RESERVED_PREFIX
from catenary_server.storage.area import LocalArea
from catenary_server.storage.atomic import sweep

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_AREAS = f"{RESERVED_PREFIX}principals"


class LocalStorage:
    """A `Storage` on the local disk.

    The anonymous principal's area is the artifact root itself. Every other principal has a folder below
    `.catenary-principals`, which no path of a client can name.

    Args:
        artifact_root: folder for what the server writes; made when the first file is written.
        data_roots: folders with scenes; only read.
        anonymous: name of the principal of callers without a token.
    """

    def __init__(self, artifact_root: Path, data_roots: Sequence[Path] = (), *, anonymous: str = "anonymous") -> None:
        self._artifact_root = artifact_root.resolve()
        self._data_roots = tuple(root.resolve() for root in data_roots)
        self._anonymous = anonymous
        self._commits = threading.Lock()

    def area(self, principal: str) -> LocalArea:
        """The files of a principal."""
        root = self._artifact_root
        if principal != self._anonymous:
            root = root / _AREAS / _folder_name(principal)
        return LocalArea(root, self._data_roots, self._commits)

    def sweep(self) -> int:
        """Remove unfinished files of a server that was killed; call it before the first request.

        Returns:
            How many there were.
        """
        return sweep(self._artifact_root)


def _folder_name(principal: str) -> str:
    """A folder name that operators recognise and that no other principal shares, not even on disks that fold case."""
    readable = re.sub(r"[^a-z0-9]+", "-", principal.lower())[:40].strip("-")
    digest = hashlib.sha256(principal.encode("utf-8", "surrogatepass")).hexdigest()[:24]
    return f"{readable}-{digest}".lstrip("-")
