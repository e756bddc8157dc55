"""Files on their way to the server as a dataset: declared with their sums, sent in pieces, resumed after a cut."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

import grpc

from catenary.v1 import dataset_pb2
from catenary.v1 import dataset_requests_pb2 as requests
from catenary.v1.dataset_service_pb2_grpc import DatasetServiceStub
from catenary.v1.transfer_pb2 import FileChunk, TransferFile
from catenary_client.calls import rpc_of
from catenary_client.errors import NotFoundError, error_for
from catenary_wire.errors import failure_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from catenary_client.calls import Caller

T = TypeVar("T")

CHUNK_BYTES = 1024 * 1024
"""Large enough that the call costs little, small enough that a cut costs little."""
_READ_BYTES = 4 * 1024 * 1024
_NO_ROOM = frozenset({"DISK_FULL", "QUOTA_DISK"})
"""Not waited for, though it may pass: somebody has to delete something first. The next upload goes on from here."""


@dataclasses.dataclass(frozen=True, slots=True)
class UploadProgress:
    """How far an upload is, in bytes of all files together."""

    sent: int
    """Bytes that the server has or that are on their way to it; falls when it has to be sent again."""
    total: int
    attempt: int
    """Streams that were opened since the upload last got further, the present one included."""


@dataclasses.dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of this machine: its path inside the dataset, where it is, its length, its SHA-256."""

    name: str
    place: Path
    size: int
    sha256: bytes


def files_to_send(paths: Sequence[Path]) -> dict[str, Path]:
    """Files by their path inside the dataset: a file by its name, those of a folder by their path below it.

    Hidden files of a folder are left out.

    Raises:
        FileNotFoundError: a path is neither.
        ValueError: two files would have the same path, or there is none.
    """
    found: dict[str, Path] = {}
    for path in paths:
        for name, place in _below(path):
            if name in found:
                raise ValueError(f"{place} and {found[name]} would both be {name!r} in the dataset; rename one")
            found[name] = place
    if not found:
        raise ValueError("there is no file to upload")
    return found


def summed(files: Mapping[str, Path]) -> list[LocalFile]:
    """Read every file once for its length and SHA-256."""
    return [_summed(name, place) for name, place in files.items()]


class Uploader:
    """One upload, from its header to a dataset that is ready.

    The stream itself goes over a channel for threads: in the one for asyncio, a write that meets the end of its call
    hides why the server ended it.

    Args:
        channel: for questions, on the present event loop.
        open_stream_channel: opens the channel of the stream.
        caller: makes the calls.
        header: what is uploaded.
        files: in the order of the header.
        on_progress: told how far it is after each piece, on the event loop.
    """

    def __init__(
        self,
        *,
        channel: grpc.aio.Channel,
        open_stream_channel: Callable[[], grpc.Channel],
        caller: Caller,
        header: requests.UploadDatasetHeader,
        files: Sequence[LocalFile],
        on_progress: Callable[[UploadProgress], None] | None = None,
    ) -> None:
        self._stub = DatasetServiceStub(channel)
        self._open_stream_channel = open_stream_channel
        self._caller = caller
        self._header = header
        self._files = files
        self._total = sum(file.size for file in files)
        self._on_progress = on_progress
        self._attempt = 1

    async def run(self) -> dataset_pb2.Dataset:
        """Send what the server lacks, again and again as long as it gets further.

        Raises:
            CatenaryError: it is refused, or got no further in as many attempts as the policy allows.
            OSError: a file cannot be read any more, or has become shorter.
        """
        rpc, furthest = rpc_of(requests.UploadDatasetRequest), -1
        while True:
            received = self._received(await self._find())
            if sum(received) > furthest:
                furthest, self._attempt = sum(received), 1
            try:
                dataset = await self._send(received)
            except grpc.RpcError as error:
                failure = self._caller.explained(failure_of(error))
                if failure.reason in _NO_ROOM:
                    raise error_for(failure, rpc.path) from error
                await self._caller.pause(rpc, failure, self._attempt)
                self._attempt += 1
            else:
                if self._on_progress is not None:
                    self._on_progress(UploadProgress(self._total, self._total, self._attempt))
                return dataset

    def _received(self, dataset: dataset_pb2.Dataset | None) -> list[int]:
        """What the server has of each file; nothing of another dataset, about which it will complain itself."""
        sizes = [file.size for file in self._files]
        if dataset is None or [each.file.size_bytes for each in dataset.files] != sizes:
            return [0] * len(sizes)
        return [each.received_size_bytes for each in dataset.files]

    async def _find(self) -> dataset_pb2.Dataset | None:
        """The dataset of this upload as the server has it."""
        request = requests.GetDatasetRequest(request_id=self._header.request_id)
        try:
            return (await self._caller.unary(self._stub.GetDataset, request)).dataset
        except NotFoundError:
            return None

    async def _send(self, received: Sequence[int]) -> dataset_pb2.Dataset:
        """One stream, from where the server is to the end."""
        pieces = _Pieces(self._header, self._files, received, self._teller())
        with self._open_stream_channel() as channel:
            call = DatasetServiceStub(channel).UploadDataset.future(pieces.messages(), metadata=self._caller.metadata)
            try:
                await _ended(call)
            finally:
                call.cancel()  # type: ignore[no-untyped-call] # the stubs leave it out
            if pieces.fault is not None:
                raise pieces.fault
            return call.result().dataset

    def _teller(self) -> Callable[[int], None]:
        """Tells from another thread how many bytes are on their way."""
        loop, attempt, tell = asyncio.get_running_loop(), self._attempt, self._on_progress

        def told(sent: int) -> None:
            if tell is not None and not loop.is_closed():
                loop.call_soon_threadsafe(tell, UploadProgress(sent, self._total, attempt))

        return told


class _Pieces:
    """The messages of one stream, read from the disk as they are asked for, in a thread of the runtime."""

    def __init__(
        self,
        header: requests.UploadDatasetHeader,
        files: Sequence[LocalFile],
        received: Sequence[int],
        tell: Callable[[int], None],
    ) -> None:
        self.fault: OSError | None = None
        """Why a file could not be read; the messages end there."""
        self._header = header
        self._files = files
        self._received = received
        self._tell = tell

    def messages(self) -> Iterator[requests.UploadDatasetRequest]:
        """The header, and a chunk for each piece that the server lacks."""
        sent = sum(self._received)
        yield requests.UploadDatasetRequest(header=self._header)
        self._tell(sent)
        try:
            for chunk in self._chunks():
                yield requests.UploadDatasetRequest(chunk=chunk)
                sent += len(chunk.content)
                self._tell(sent)
        except OSError as error:
            self.fault = error

    def _chunks(self) -> Iterator[FileChunk]:
        for index, (file, offset) in enumerate(zip(self._files, self._received, strict=True)):
            if offset < file.size:
                with file.place.open("rb") as content:
                    content.seek(offset)
                    yield from self._chunks_of(index, content, offset, file)

    @staticmethod
    def _chunks_of(index: int, content: IO[bytes], offset: int, file: LocalFile) -> Iterator[FileChunk]:
        while offset < file.size:
            piece = content.read(min(CHUNK_BYTES, file.size - offset))
            if not piece:
                raise OSError(f"{file.place} has become shorter while it was uploaded")
            yield FileChunk(file_index=index, offset=offset, content=piece)
            offset += len(piece)


async def _ended(call: grpc.Future[T]) -> None:
    """Return when a call of another thread has ended, well or not."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def tell(_call: object) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(ended.set)

    call.add_done_callback(tell)
    await ended.wait()


def header_of(
    files: Sequence[LocalFile], *, name: str, labels: Mapping[str, str], request_id: str
) -> requests.UploadDatasetHeader:
    """What is uploaded. Without a request id it gets one of its content, so that the same upload is always itself."""
    header = requests.UploadDatasetHeader(
        name=name,
        files=[TransferFile(path=file.name, size_bytes=file.size, sha256=file.sha256) for file in files],
        labels=labels,
    )
    header.request_id = request_id or hashlib.sha256(header.SerializeToString(deterministic=True)).hexdigest()
    return header


def _below(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield path.name, path
        return
    if not path.is_dir():
        raise FileNotFoundError(f"there is no file or folder {path}")
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in sorted(each for each in names if not each.startswith(".")):
            place = Path(folder, name)
            yield place.relative_to(path).as_posix(), place


def _summed(name: str, place: Path) -> LocalFile:
    digest, size = hashlib.sha256(), 0
    with place.open("rb") as content:
        while piece := content.read(_READ_BYTES):
            digest.update(piece)
            size += len(piece)
    return LocalFile(name, place, size, digest.digest())
