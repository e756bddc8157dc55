"""The pipelines that a server offers: files of the operator, and what a client has saved."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from catenary_server.configuration.documents import read_document
from catenary_server.configuration.folders import SUFFIX, Folders, not_found
from catenary_server.configuration.normal import normalise
from catenary_server.configuration.schemas import build
from catenary_server.domain.client_path import ClientPath
from catenary_server.domain.failure import Failure, Reason, Resource, Violation
from catenary_server.domain.pipeline import PipelineConfig, PipelineFile, PipelineMetadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GROUP = "pipeline"
WEIGHTS_SUFFIX = ".safetensors"
_MOST_FILES = 2000


def list_pipelines(roots: Sequence[Path], own: Path) -> tuple[PipelineFile, ...]:
    """Every pipeline below the group of a root and anywhere in a client's own folder, sorted by path."""
    folders = Folders((*roots, own), roots)
    found: dict[str, PipelineFile] = {}
    for base, place in _places(roots, own):
        path = place.relative_to(base).as_posix()
        if len(found) >= _MOST_FILES or path in found:
            continue
        try:
            ClientPath.parse(path)
            found[path] = _described(path, base, place, folders)
        except Failure:
            continue
    return tuple(found[path] for path in sorted(found))


def find_pipeline(path: str, roots: Sequence[Path], own: Path) -> PipelineFile:
    """The pipeline of a path as `list_pipelines` gives it, or of a shorter name for it.

    Raises:
        Failure: PATH_INVALID, CONFIG_NOT_FOUND, PATH_NOT_ALLOWED, ARTIFACT_CORRUPT.
    """
    parsed = ClientPath.parse(path, subject="pipeline_path")
    bases = (*roots, own)
    candidates = _absolute(parsed, bases) if parsed.absolute else _relative(parsed, bases)
    for base, place in candidates:
        if os.path.lexists(place):
            name = place.relative_to(base).as_posix()
            return _described(name, base, place, Folders(bases, roots))
    suffix = Path(path).suffix
    if suffix and suffix != SUFFIX:
        fault = Violation("pipeline_path", f"a pipeline is a {SUFFIX} file, not {suffix}")
        raise Failure(Reason.PATH_INVALID, fault.description, violations=(fault,))
    raise not_found(path, ())


def _places(roots: Sequence[Path], own: Path) -> Iterator[tuple[Path, Path]]:
    """Folder that names are relative to, and file; the operator's first."""
    for base, top in (*((root, root / GROUP) for root in roots), (own, own)):
        for folder, inner, names in os.walk(top):
            inner[:] = sorted(name for name in inner if not name.startswith("."))
            yield from ((base, Path(folder, name)) for name in sorted(names) if name.endswith(SUFFIX))


def _relative(path: ClientPath, bases: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """As written in every folder, then below the group."""
    for parts in (path.parts, (GROUP, *path.parts)):
        for base in bases:
            yield base, _with_suffix(base.joinpath(*parts))


def _absolute(path: ClientPath, bases: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    place = _with_suffix(Path("/", *path.parts))
    holding = [base for base in bases if place.is_relative_to(base)]
    if not holding:
        fault = Violation("pipeline_path", "must be relative, or absolute inside one of the server's roots")
        raise Failure(Reason.PATH_INVALID, f"the path {fault.description}", violations=(fault,))
    yield from ((base, place) for base in holding)


def _with_suffix(place: Path) -> Path:
    return place if place.suffix == SUFFIX or not place.name else place.with_name(f"{place.name}{SUFFIX}")


def _described(name: str, base: Path, place: Path, folders: Folders) -> PipelineFile:
    if place.is_symlink():
        raise Failure(
            Reason.PATH_NOT_ALLOWED,
            f"{name!r} is a link; only plain files are read",
            resource=Resource("pipeline", name),
            violations=(Violation("pipeline_path", "is a link"),),
        )
    content = folders.read(place)
    weights = place.with_suffix(WEIGHTS_SUFFIX)
    return PipelineFile(
        path=name,
        resolved_path=name,
        weights_path=weights.relative_to(base).as_posix() if weights.is_file() else "",
        metadata=_metadata(name, content, composed=base in folders.roots),
        content=content.decode(),
    )


def _metadata(name: str, content: bytes, *, composed: bool) -> PipelineMetadata:
    """What the file says about itself. A file that is composed with others need not hold nodes of its own.

    Raises:
        Failure: ARTIFACT_CORRUPT for a file that is no pipeline.
    """
    try:
        data = normalise(GROUP, read_document(content, interpolation=True))
        if composed and data.pop("defaults", None) is not None:
            data.setdefault("nodes", [{"name": "inherited", "class_name": "Inherited"}])
        return cast("PipelineConfig", build(GROUP, data)).metadata
    except Failure as failure:
        raise Failure(
            Reason.ARTIFACT_CORRUPT,
            f"{name!r} is no pipeline: {failure.message}",
            resource=Resource("pipeline", name),
        ) from failure
