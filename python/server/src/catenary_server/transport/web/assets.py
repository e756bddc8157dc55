"""The built pages, held in memory: what is not in the list does not exist, whatever a path says."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import re
from typing import TYPE_CHECKING, Final

from catenary_server.transport.web.responses import respond, say

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from catenary_server.transport.web.asgi import Headers, Scope, Send

INDEX: Final = "/index.html"

CONTENT_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/vnd.microsoft.icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
"""Of the files that a build may have; the system's own table differs from machine to machine."""

_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"
_NAVIGATION: Final = "text/html"
"""What a browser accepts where a person goes somewhere; a page may be named by something with a dot in it."""
_ZIPPED: Final = re.compile(r"\bgzip\s*(?!\s*;\s*q=0(\.0*)?\s*(,|$))", re.IGNORECASE)
"""Found in what a browser says it can unpack, if gzip is among it and not refused by weight 0."""
_COMPRESSIBLE: Final = frozenset({".css", ".html", ".js", ".json", ".svg", ".txt", ".webmanifest"})

NOT_BUILT: Final = (
    "The dashboard's pages are not built in this checkout of the sources: run `nox -s web`, then reload.\n"
    "Calls and streams are answered all the same."
)


@dataclasses.dataclass(frozen=True, slots=True)
class Asset:
    """One file of the build."""

    body: bytes
    zipped: bytes | None
    content_type: str
    caching: str
    tag: str


class Assets:
    """Answers GET with the files of a folder. A build that is made anew while the server runs is taken up.

    Args:
        folder: the build; it need not be there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._built: tuple[int, ...] = ()
        self._files: Mapping[str, Asset] = {}

    @property
    def built(self) -> bool:
        """Whether there is a build."""
        return INDEX in self._current()

    async def answer(self, scope: Scope, headers: Mapping[str, str], send: Send) -> None:
        """Answer a GET or HEAD. Pages have addresses of their own, and all of them are the same file."""
        path = str(scope["path"])
        files = self._current()
        asset = files.get(path)
        if asset is None and (_NAVIGATION in headers.get("accept", "") or "." not in path.rpartition("/")[2]):
            asset = files.get(INDEX)
            if asset is None:
                await say(send, 200, NOT_BUILT)
                return
        if asset is None:
            await say(send, 404, "there is no such file")
            return
        await _send(asset, headers, send)

    def _current(self) -> Mapping[str, Asset]:
        """The files of the latest build."""
        try:
            built = tuple((self._folder / part).stat().st_mtime_ns for part in (INDEX[1:], "."))
        except OSError:
            built = ()
        if built != self._built:
            self._files = _read(self._folder) if built else {}
            self._built = built
        return self._files


async def _send(asset: Asset, headers: Mapping[str, str], send: Send) -> None:
    fields: Headers = (("cache-control", asset.caching), ("etag", asset.tag), ("vary", "accept-encoding"))
    if asset.tag in (each.strip().removeprefix("W/") for each in headers.get("if-none-match", "").split(",")):
        await respond(send, 304, b"", asset.content_type, fields)
        return
    if asset.zipped is not None and _ZIPPED.search(headers.get("accept-encoding", "")):
        await respond(send, 200, asset.zipped, asset.content_type, (*fields, ("content-encoding", "gzip")))
        return
    await respond(send, 200, asset.body, asset.content_type, fields)


def _read(folder: Path) -> Mapping[str, Asset]:
    paths = (path for path in folder.rglob("*") if path.suffix in CONTENT_TYPES)
    files = (path for path in paths if path.is_file() and not path.is_symlink())
    return {f"/{path.relative_to(folder).as_posix()}": _asset(path, folder) for path in files}


def _asset(path: Path, folder: Path) -> Asset:
    body = path.read_bytes()
    named_by_content = path.relative_to(folder).parts[0] == "assets"
    zipped = gzip.compress(body, mtime=0) if path.suffix in _COMPRESSIBLE else None
    return Asset(
        body=body,
        zipped=zipped if zipped is not None and len(zipped) < len(body) else None,
        content_type=CONTENT_TYPES[path.suffix],
        caching=_FOR_EVER if named_by_content else _ASK_AGAIN,
        tag=f'"{hashlib.sha256(body).hexdigest()[:16]}"',
    )
