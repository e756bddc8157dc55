"""One number for the content of an installed distribution, so that an operator can allow exactly what was reviewed."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution, PackagePath

_OF_THE_INSTALLER = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"})
"""Files of `.dist-info` that tell how a distribution was installed, not what it is."""


def content_digest(distribution: Distribution) -> str:
    """SHA-256 over paths and contents of all files of a distribution; compiled files and the installer's do not count.

    Empty for a distribution whose code lies elsewhere (an editable one) or whose files are not listed.

    Raises:
        OSError: a file cannot be read.
    """
    if distribution.files is None or _is_editable(distribution):
        return ""
    digest = hashlib.sha256()
    for path in sorted(filter(_counts, distribution.files), key=str):
        content = hashlib.sha256(path.locate().read_bytes()).hexdigest()  # type: ignore[attr-defined]  # a Path
        digest.update(f"{path}\0{content}\n".encode())
    return digest.hexdigest()


def _counts(path: PackagePath) -> bool:
    installers = path.parent.suffix == ".dist-info" and path.name in _OF_THE_INSTALLER
    return path.suffix != ".pyc" and not installers


def _is_editable(distribution: Distribution) -> bool:
    origin = distribution.read_text("direct_url.json")
    return bool(origin and json.loads(origin).get("dir_info", {}).get("editable"))
