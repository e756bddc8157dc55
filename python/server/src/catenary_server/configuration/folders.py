"""Finds configuration files below the search paths: the first that holds a name wins."""

from __future__ import annotations

import dataclasses
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from catenary_server.configuration.limits import MAX_BYTES, too_complex
from catenary_server.domain.client_path import ClientPath
from catenary_server.domain.failure import Failure, Reason, Resource, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SUFFIX = ".yaml"
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][\w.\-]*(?:/[A-Za-z0-9_][\w.\-]*)*")


@dataclasses.dataclass(frozen=True, slots=True)
class PrimaryConfig:
    """The file a request asks for, and the name it is composed under: that decides where relative defaults look."""

    name: str
    place: Path


class Folders:
    """The search paths of one request.

    A search path that is called like a group holds that group: with `configs/pipeline` registered, `pipeline/rx` is
    found there, whether or not `configs` is registered too. Links are followed as long as they stay inside the roots
    and search paths.

    Args:
        folders: search paths in order. They are trusted: whoever calls has checked that they may be searched.
        roots: the operator's configs roots; absolute names inside them are legal, and provenance is relative to them.
    """

    def __init__(self, folders: Sequence[Path], roots: Sequence[Path]) -> None:
        self.roots = tuple(roots)
        """The operator's configs roots."""
        self._folders = tuple(folders)
        self._bases = tuple(dict.fromkeys((*roots, *folders)))
        self._real_bases = tuple(dict.fromkeys(base.resolve() for base in self._bases))

    def primary(self, config_type: str, path: str) -> PrimaryConfig:
        """The file that a client means.

        Args:
            config_type: the group that is searched first.
            path: `trainrun/rx`, `rx`, or absolute; `.yaml` is optional, `<type>/` before an absolute path is dropped.

        Raises:
            Failure: PATH_INVALID, CONFIG_NOT_FOUND.
        """
        parsed = ClientPath.parse(path.removeprefix(f"{config_type}/") if path.startswith(f"{config_type}//") else path)
        if parsed.absolute:
            found = self._primary_inside(parsed)
        else:
            found = next(self._primaries(config_type, parsed.parts), None)
        if found is None:
            name = path if parsed.absolute else f"{config_type}/{path.removeprefix(f'{config_type}/')}"
            raise not_found(name, self.options(config_type))
        return found

    def find(self, name: str) -> Path | None:
        """The file of a name like `pipeline/rx`, if a search path holds it."""
        return next(self._files(ClientPath.parse(name).parts), None)

    def is_group(self, name: str) -> bool:
        """True if a search path holds, or is, a folder of that name."""
        return any(place.is_dir() for place in self._places(_parts(name)))

    def options(self, group: str) -> tuple[str, ...]:
        """Names of the files in a group, sorted."""
        folders = [place for place in self._places(_parts(group)) if place.is_dir()]
        return tuple(sorted({place.stem for folder in folders for place in folder.glob(f"*{SUFFIX}")}))

    def label(self, place: Path) -> str:
        """The name of a file below its root or search path."""
        base = next((base for base in self._bases if place.is_relative_to(base)), None)
        return place.relative_to(base).as_posix() if base else place.name

    def search_path(self, place: Path) -> str:
        """The search path that holds a file, the first of them; empty for a file of the caller's own area."""
        holders = (folder for folder in self._folders if place.is_relative_to(folder))
        return next((str(each) for each in holders if any(each.is_relative_to(root) for root in self.roots)), "")

    def read(self, place: Path) -> bytes:
        """All bytes of a file.

        Raises:
            Failure: PATH_NOT_ALLOWED for a link that leaves the roots, or a special file; CONFIG_NOT_FOUND,
                CONFIG_TOO_COMPLEX.
        """
        label = self.label(place)
        try:
            descriptor = os.open(place, _FILE)
        except OSError as error:
            raise not_found(label, ()) from error
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            real = Path(f"/proc/self/fd/{file.fileno()}").readlink()  # what was opened, whatever has moved since
            if not stat.S_ISREG(status.st_mode) or not any(real.is_relative_to(base) for base in self._real_bases):
                raise _not_allowed(label)
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise too_complex(label, f"more than {MAX_BYTES} bytes")
        return content

    def _primaries(self, config_type: str, parts: tuple[str, ...]) -> Iterator[PrimaryConfig]:
        """Candidates, best first: in the group of the type, then as written (a saved file in the client's area)."""
        bare = parts[1:] if parts[:1] == (config_type,) and len(parts) > 1 else parts
        for name in ((config_type, *bare), parts, bare):
            for place in self._files(name):
                yield _primary(name, place)

    def _primary_inside(self, path: ClientPath) -> PrimaryConfig | None:
        place = Path("/", *path.parts)
        place = place if place.suffix == SUFFIX else place.with_name(f"{place.name}{SUFFIX}")
        bases = [base for base in (*self._bases, *self._real_bases) if place.is_relative_to(base)]
        if not bases:
            raise Failure(
                Reason.PATH_INVALID,
                "an absolute path must lie inside one of the server's configs roots: give a name like trainrun/rx",
                violations=(Violation("path", "must be relative, or absolute inside the server's roots"),),
            )
        outermost = min(bases, key=lambda base: len(base.parts))
        return _primary(place.relative_to(outermost).parts, place) if place.is_file() else None

    def _files(self, parts: tuple[str, ...]) -> Iterator[Path]:
        if not parts:
            return
        last = parts[-1] if parts[-1].endswith(SUFFIX) else f"{parts[-1]}{SUFFIX}"
        for place in self._places((*parts[:-1], last)):
            if place.is_file():
                yield place

    def _places(self, parts: tuple[str, ...]) -> Iterator[Path]:
        for folder in self._folders:
            yield folder.joinpath(*parts)
            if parts and folder.name == parts[0]:
                yield folder.joinpath(*parts[1:])


def not_found(name: str, options: Iterable[str]) -> Failure:
    """CONFIG_NOT_FOUND for a name, with the names there are."""
    known = ", ".join(sorted(options)[:20])
    return Failure(
        Reason.CONFIG_NOT_FOUND,
        f"no configuration {name!r} below the search paths; "
        + (f"there are: {known}" if known else "SetSessionSearchPaths chooses them, ListConfigs shows what they hold"),
        resource=Resource("config", name),
    )


def _not_allowed(label: str) -> Failure:
    return Failure(
        Reason.PATH_NOT_ALLOWED,
        f"{label!r} is a special file or a link that leaves the configs roots; only plain files are read",
        resource=Resource("config", label),
        violations=(Violation(label, "not a plain file inside the roots"),),
    )


def _parts(name: str) -> tuple[str, ...]:
    """Components of a group name; the empty name is the search path itself."""
    return ClientPath.parse(name).parts if name else ()


def _primary(parts: tuple[str, ...], place: Path) -> PrimaryConfig:
    name = "/".join(parts).removesuffix(SUFFIX)
    return PrimaryConfig(name if _PLAIN_NAME.fullmatch(name) else "primary", place)
