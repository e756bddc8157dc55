"""Datasets that clients upload: what was declared, what has arrived, and how they are kept."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, Protocol

from catenary_server.domain.client_path import ClientPath
from catenary_server.domain.failure import Failure, Reason, Violation

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

DATASETS_FOLDER = "datasets"
"""Where ready datasets lie in the area of their principal; nothing else is written there."""
MAX_CHUNK_BYTES = 4 * 1024 * 1024


class DatasetState(enum.StrEnum):
    """How far a dataset is. READY is final; a deleted dataset is not found."""

    UPLOADING = "UPLOADING"
    READY = "READY"


@dataclasses.dataclass(frozen=True, slots=True)
class DeclaredFile:
    """A file of an upload: `path` inside the dataset, `size` in bytes, its SHA-256."""

    path: str
    size: int
    sha256: bytes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UploadHeader:
    """What a client is going to upload; `request_id` names the upload among those of its principal."""

    request_id: str
    name: str
    files: tuple[DeclaredFile, ...]
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    def normalized(self) -> UploadHeader:
        """The same with every path in its plainest form.

        Raises:
            Failure: PATH_INVALID if a path leaves the dataset, cannot be a file's, or means the place of another.
        """
        parts = [_parts(index, file) for index, file in enumerate(self.files)]
        _refuse_overlaps(parts)
        files = (dataclasses.replace(file, path="/".join(part)) for file, part in zip(self.files, parts, strict=True))
        return dataclasses.replace(self, files=tuple(files))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset at one moment. Times are Unix seconds; `received` has the bytes kept of each file."""

    dataset_id: str
    header: UploadHeader
    state: DatasetState
    received: tuple[int, ...]
    create_time: float
    ready_time: float | None = None
    expire_time: float | None = None
    """When the unfinished upload is removed; None when it is READY."""

    @property
    def path(self) -> str:
        """What a data configuration names: the file, or the folder when there are several. Empty before READY."""
        if self.state is not DatasetState.READY:
            return ""
        folder = f"{DATASETS_FOLDER}/{self.dataset_id}"
        return f"{folder}/{self.header.files[0].path}" if len(self.header.files) == 1 else folder


@dataclasses.dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file: the index of the file, the offset of its first byte, its bytes."""

    file_index: int
    offset: int
    content: memoryview


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StoredDataset:
    """A dataset as a store found it; times are Unix seconds."""

    dataset_id: str
    header: UploadHeader
    create_time: float
    ready_time: float | None
    """None while it is unfinished."""
    whole: int
    """Files that are kept, in the order in which they were declared."""
    partial: int
    """Bytes kept of the file behind those."""
    change_time: float
    """When it last grew."""


class GrowingFile(Protocol):
    """The file of an unfinished dataset that is arriving. Its methods may raise DISK_FULL and STORAGE_IO."""

    @property
    def size(self) -> int:
        """Bytes kept so far."""
        ...

    async def append(self, content: memoryview) -> None:
        """Keep further bytes; all or none of them."""
        ...

    async def head(self, count: int) -> bytes:
        """The first bytes, at most `count`."""
        ...

    async def flush(self) -> None:
        """Return when everything appended is on the disk."""
        ...

    def sha256(self) -> bytes:
        """Digest of everything kept so far."""
        ...

    async def clear(self) -> None:
        """Drop everything: the file begins again."""
        ...

    async def keep(self) -> None:
        """Make it a file of the dataset, and close it."""
        ...

    async def close(self) -> None:
        """Flush and close; what has arrived is there when it is opened again. Closing again does nothing."""
        ...


class DatasetStore(Protocol):
    """The datasets of one principal. Every method may raise DISK_FULL or STORAGE_IO."""

    async def load(self) -> tuple[StoredDataset, ...]:
        """Every dataset."""
        ...

    async def load_deleted(self) -> Mapping[str, float]:
        """The deleted datasets that are remembered, by id, with the Unix seconds of their end."""
        ...

    async def create(self, dataset_id: str, header: UploadHeader, create_time: float) -> None:
        """Make an unfinished dataset.

        Raises:
            Failure: QUOTA_DISK if the files of the principal would take more than they may.
        """
        ...

    async def open_file(self, dataset_id: str, file_index: int, path: str) -> GrowingFile:
        """Open a file of an unfinished dataset behind the bytes it has."""
        ...

    async def publish(self, dataset_id: str, header: UploadHeader, create_time: float, ready_time: float) -> None:
        """Let data configurations see a dataset whose files are all kept; all of it at once."""
        ...

    async def delete(self, dataset_id: str) -> None:
        """Remove a dataset and remember its id. Readers that have opened its files go on."""
        ...


class DatasetStorage(Protocol):
    """Where datasets are kept."""

    def datasets(self, principal: str) -> DatasetStore:
        """The datasets of a principal."""
        ...

    async def sweep_datasets(self, *, unfinished_before: float, deleted_before: float) -> None:
        """Remove uploads that have not grown since then, and forget what was deleted before then; Unix seconds."""
        ...


_SIGNATURES: Mapping[str, tuple[int, tuple[bytes, ...]]] = {
    ".npz": (0, (b"PK\x03\x04", b"PK\x05\x06")),
    ".npy": (0, (b"\x93NUMPY",)),
    ".mat": (126, (b"IM", b"MI")),
    ".hdr": (0, (b"ENVI",)),
    ".png": (0, (b"\x89PNG\r\n\x1a\n",)),
    ".jpg": (0, (b"\xff\xd8\xff",)),
    ".jpeg": (0, (b"\xff\xd8\xff",)),
    ".tif": (0, (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    ".tiff": (0, (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
}
"""Where in a file of this suffix which bytes stand."""
HEAD_BYTES = 128
"""Bytes that `check_head` looks at."""
_MOST_FAULTS = 20
"""Files that a refusal names; a dataset may have thousands."""


def require_readable(files: Sequence[DeclaredFile], suffixes: Collection[str]) -> None:
    """Refuse a dataset that no data configuration could use.

    Args:
        files: of the dataset; others may lie beside those that are read, such as the data of an ENVI header.
        suffixes: of files that a reader is known for, with their dot, in lower case.

    Raises:
        Failure: DATASET_INVALID if none of the files has one of them.
    """
    if not any(_suffix(file.path) in suffixes for file in files):
        known = ", ".join(sorted(suffixes))
        faults = tuple(Violation(f"files[{index}].path", "no reader knows it") for index in range(len(files)))
        raise Failure(
            Reason.DATASET_INVALID,
            f"no file of the dataset has a suffix that a reader knows: {known}; export the scene to one of these",
            violations=faults[:_MOST_FAULTS],
        )


def check_head(path: str, head: bytes) -> None:
    """Refuse a file that is not what its suffix says, as far as its first bytes show.

    Args:
        path: of the file.
        head: its first `HEAD_BYTES`, or all there are.

    Raises:
        Failure: DATASET_INVALID.
    """
    suffix = _suffix(path)
    offset, expected = _SIGNATURES.get(suffix, (0, (b"",)))
    if not any(head[offset:].startswith(each) for each in expected):
        fault = Violation(path, f"does not begin as a {suffix} file does")
        raise Failure(
            Reason.DATASET_INVALID,
            f"{path!r} {fault.description}: export it again, or give it the suffix of what it is",
            violations=(fault,),
        )


def _suffix(path: str) -> str:
    return f".{path.rpartition('.')[2].lower()}"


def _parts(index: int, file: DeclaredFile) -> tuple[str, ...]:
    subject = f"files[{index}].path"
    parsed = ClientPath.parse(file.path, subject=subject)
    if parsed.absolute or not parsed.parts or file.path.endswith("/"):
        raise _invalid(subject, file.path, "must name a file, relative to the dataset")
    return parsed.parts


def _refuse_overlaps(paths: Sequence[tuple[str, ...]]) -> None:
    """No two files at one place, and none where another needs a folder."""
    taken: set[tuple[str, ...]] = set()
    folders = {path[:length] for path in paths for length in range(1, len(path))}
    for index, path in enumerate(paths):
        if path in taken or path in folders:
            raise _invalid(f"files[{index}].path", "/".join(path), "is the place of another file")
        taken.add(path)


def _invalid(subject: str, path: str, description: str) -> Failure:
    return Failure(Reason.PATH_INVALID, f"{path[:100]!r} {description}", violations=(Violation(subject, description),))
