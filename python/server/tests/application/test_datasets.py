from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

import pytest

from catenary_server.application.datasets import DatasetLimits, Datasets
from catenary_server.domain.dataset import MAX_CHUNK_BYTES, Chunk, DatasetState, DeclaredFile, UploadHeader
from catenary_server.domain.failure import Failure, Reason
from catenary_server.storage.local import LocalStorage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from catenary_server.domain.dataset import Dataset

NPY = b"\x93NUMPY" + bytes(range(200))
FILES = {"a.npy": NPY, "empty.txt": b"", "deep/b.dat": b"0123456789"}
OWNER = "ann"
READABLE = (".npy", ".npz")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "artifacts")


@pytest.fixture
def datasets(storage: LocalStorage, clock: Clock) -> Datasets:
    return Datasets(storage, READABLE, DatasetLimits(unfinished=100.0, memory=50.0), clock)


def header(files: dict[str, bytes] | None = None, request_id: str = "r", **labels: str) -> UploadHeader:
    declared = (FILES if files is None else files).items()
    return UploadHeader(
        request_id=request_id,
        name="scene",
        files=tuple(DeclaredFile(path, len(data), hashlib.sha256(data).digest()) for path, data in declared),
        labels=labels,
    )


def pieces(index: int, content: bytes, size: int = 50, start: int = 0) -> list[Chunk]:
    return [
        Chunk(index, offset, memoryview(content)[offset : offset + size]) for offset in range(start, len(content), size)
    ]


WHOLE = [*pieces(0, NPY), *pieces(2, FILES["deep/b.dat"])]


async def sent(chunks: Iterable[Chunk]) -> AsyncIterator[Chunk]:
    for chunk in chunks:
        yield chunk


class OpenStream:
    """Chunks that a test sends one by one; the stream stays open."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Chunk] = asyncio.Queue()
        self._taken = asyncio.Event()

    def send(self, *chunks: Chunk) -> None:
        for chunk in chunks:
            self._queue.put_nowait(chunk)

    async def taken(self) -> None:
        """Return when everything was taken and the next chunk is waited for."""
        async with asyncio.timeout(10):
            while True:
                await self._taken.wait()
                if self._queue.empty():
                    return
                self._taken.clear()

    async def chunks(self) -> AsyncIterator[Chunk]:
        while True:
            if self._queue.empty():
                self._taken.set()
            yield await self._queue.get()


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def refused(datasets: Datasets, chunks: Iterable[Chunk], wanted: UploadHeader | None = None) -> Failure:
    with pytest.raises(Failure) as caught:
        await datasets.upload(OWNER, wanted or header(), sent(chunks))
    return caught.value


def begun(datasets: Datasets, stream: OpenStream) -> asyncio.Task[Dataset]:
    return asyncio.create_task(datasets.upload(OWNER, header(), stream.chunks()))


async def test_a_dataset_is_ready_when_every_file_is_whole(datasets: Datasets, storage: LocalStorage) -> None:
    dataset = await datasets.upload(OWNER, header(), sent(WHOLE))
    assert (dataset.state, dataset.path) == (DatasetState.READY, f"datasets/{dataset.dataset_id}")
    assert dataset.received == (206, 0, 10)
    assert dataset.expire_time is None
    folder = storage.area(OWNER).find_data(dataset.path)
    kept = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert kept == FILES


async def test_a_ready_dataset_needs_no_chunks(datasets: Datasets) -> None:
    first = await datasets.upload(OWNER, header(), sent(WHOLE))
    assert await datasets.upload(OWNER, header(), sent([])) == first


async def test_an_upload_goes_on_where_it_broke_off_also_after_a_restart(
    datasets: Datasets, storage: LocalStorage, clock: Clock
) -> None:
    stream = OpenStream()
    upload = begun(datasets, stream)
    stream.send(*pieces(0, NPY)[:2])
    await stream.taken()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    found = await datasets.find(OWNER, request_id="r")
    assert (found.state, found.received, found.path) == (DatasetState.UPLOADING, (100, 0, 0), "")
    again = Datasets(storage, READABLE, clock=clock)
    assert (await again.find(OWNER, dataset_id=found.dataset_id)).received == (100, 0, 0)
    rest = [*pieces(0, NPY, start=100), *WHOLE[-1:]]
    assert (await again.upload(OWNER, header(), sent(rest))).state is DatasetState.READY


async def test_the_last_chunk_may_be_all_that_was_kept(datasets: Datasets, storage: LocalStorage) -> None:
    """A server that is killed before it has looked at the sum of a file looks at it when the upload goes on."""
    await refused(datasets, pieces(0, NPY)[:2])
    (found,) = await datasets.list(OWNER, {})
    file = await storage.datasets(OWNER).open_file(found.dataset_id, 0, "a.npy")
    await file.append(memoryview(NPY)[100:])
    await file.close()
    dataset = await Datasets(storage, READABLE).upload(OWNER, header(), sent(WHOLE[-1:]))
    assert dataset.state is DatasetState.READY


@pytest.mark.parametrize(
    ("chunks", "file_index", "next_offset"),
    [
        ([], 0, 0),
        (pieces(0, NPY)[:2], 0, 100),
        (pieces(0, NPY)[1:], 0, 0),
        ([*pieces(0, NPY)[:2], pieces(0, NPY)[1]], 0, 100),
        (pieces(2, b"0123456789"), 0, 0),
        ([Chunk(7, 0, memoryview(b"x"))], 0, 0),
        ([*pieces(0, NPY)[:-1], Chunk(0, 200, memoryview(b"1234567"))], 0, 200),
        (pieces(0, NPY), 2, 0),
    ],
)
async def test_a_chunk_at_another_place_is_refused_with_the_right_one(
    datasets: Datasets, chunks: list[Chunk], file_index: int, next_offset: int
) -> None:
    failure = await refused(datasets, chunks)
    assert failure.reason is Reason.UPLOAD_OFFSET_MISMATCH
    assert failure.metadata == {"file_index": str(file_index), "next_offset": str(next_offset)}
    assert (await datasets.find(OWNER, request_id="r")).received[file_index] == next_offset


@pytest.mark.parametrize("size", [0, MAX_CHUNK_BYTES + 1])
async def test_a_chunk_of_no_or_too_many_bytes_is_refused(datasets: Datasets, size: int) -> None:
    failure = await refused(datasets, [Chunk(0, 0, memoryview(bytes(size)))])
    assert failure.reason is Reason.FIELD_INVALID


async def test_a_file_with_another_sum_begins_again(datasets: Datasets) -> None:
    wrong = NPY[:-1] + b"!"
    failure = await refused(datasets, pieces(0, wrong))
    assert failure.reason is Reason.UPLOAD_CHECKSUM_MISMATCH
    assert failure.metadata == {"file_index": "0", "next_offset": "0"}
    found = await datasets.find(OWNER, request_id="r")
    assert (found.state, found.received) == (DatasetState.UPLOADING, (0, 0, 0))
    assert (await datasets.upload(OWNER, header(), sent(WHOLE))).state is DatasetState.READY


async def test_an_empty_file_has_the_sum_of_nothing(datasets: Datasets) -> None:
    lying = UploadHeader(request_id="r", name="n", files=(DeclaredFile("a.npy", 0, bytes(32)),))
    assert (await refused(datasets, [], lying)).reason is Reason.UPLOAD_CHECKSUM_MISMATCH


@pytest.mark.parametrize("size", [1, 130])
async def test_a_file_that_is_not_what_its_suffix_says_is_refused_early(datasets: Datasets, size: int) -> None:
    fake = {"a.npy": b"\x7fELF" + bytes(1000)}
    failure = await refused(datasets, pieces(0, fake["a.npy"], size)[:140], header(fake))
    assert failure.reason is Reason.DATASET_INVALID
    assert (await datasets.find(OWNER, request_id="r")).received == (0,)


async def test_the_same_request_id_with_another_header_is_a_conflict(datasets: Datasets) -> None:
    await datasets.upload(OWNER, header(), sent(WHOLE))
    for other in (header({"a.npy": NPY}), header(team="red")):
        assert (await refused(datasets, [], other)).reason is Reason.IDEMPOTENCY_CONFLICT
    assert (await datasets.upload("bob", header(team="red"), sent(WHOLE))).state is DatasetState.READY


async def test_a_second_stream_supersedes_the_first_which_may_be_silent(datasets: Datasets) -> None:
    stream = OpenStream()
    first = begun(datasets, stream)
    stream.send(*pieces(0, NPY)[:2])
    await stream.taken()
    rest = [*pieces(0, NPY, start=100), *WHOLE[-1:]]
    dataset = await datasets.upload(OWNER, header(), sent(rest))
    assert dataset.state is DatasetState.READY
    with pytest.raises(Failure) as caught:
        await first
    assert caught.value.reason is Reason.STREAM_SUPERSEDED


async def test_of_many_streams_at_once_one_brings_the_dataset(datasets: Datasets) -> None:
    outcomes = await asyncio.gather(
        *(datasets.upload(OWNER, header(), sent(WHOLE)) for _ in range(20)), return_exceptions=True
    )
    ready = {each.dataset_id for each in outcomes if not isinstance(each, BaseException)}
    failures = {each.reason for each in outcomes if isinstance(each, Failure)}
    assert len(ready) == 1
    assert failures <= {Reason.STREAM_SUPERSEDED, Reason.UPLOAD_OFFSET_MISMATCH}
    (dataset,) = await datasets.list(OWNER, {})
    assert dataset.state is DatasetState.READY


async def test_paths_that_leave_the_dataset_write_nothing(datasets: Datasets, tmp_path: Path) -> None:
    assert (await refused(datasets, [], header({"../a": b"x"}))).reason is Reason.PATH_INVALID
    assert files_below(tmp_path) == []


async def test_datasets_are_listed_by_label_and_owner(datasets: Datasets) -> None:
    await datasets.upload(OWNER, header(team="red"), sent(WHOLE))
    await refused(datasets, [], header(request_id="s", team="blue"))
    await datasets.upload("bob", header(team="red"), sent(WHOLE))
    assert [each.state for each in await datasets.list(OWNER, {})] == [DatasetState.READY, DatasetState.UPLOADING]
    assert [each.header.request_id for each in await datasets.list(OWNER, {"team": "blue"})] == ["s"]
    assert await datasets.list("eve", {}) == ()


async def test_unknown_deleted_and_foreign_datasets_are_not_found_alike(datasets: Datasets) -> None:
    mine = await datasets.upload(OWNER, header(), sent(WHOLE))
    foreign = await datasets.upload("bob", header(), sent(WHOLE))
    await datasets.delete(OWNER, mine.dataset_id)
    for dataset_id in ("unknown", mine.dataset_id, foreign.dataset_id):
        with pytest.raises(Failure) as caught:
            await datasets.find(OWNER, dataset_id=dataset_id)
        assert caught.value.reason is Reason.DATASET_NOT_FOUND
    with pytest.raises(Failure):
        await datasets.find(OWNER, request_id="r")
    with pytest.raises(Failure):
        await datasets.delete(OWNER, foreign.dataset_id)


async def test_deleting_again_succeeds_for_a_while_also_after_a_restart(
    datasets: Datasets, storage: LocalStorage, clock: Clock
) -> None:
    dataset = await datasets.upload(OWNER, header(), sent(WHOLE))
    await datasets.delete(OWNER, dataset.dataset_id)
    await datasets.delete(OWNER, dataset.dataset_id)
    await Datasets(storage, READABLE).delete(OWNER, dataset.dataset_id)
    clock.now += 51.0
    with pytest.raises(Failure) as caught:
        await datasets.delete(OWNER, dataset.dataset_id)
    assert caught.value.reason is Reason.DATASET_NOT_FOUND


async def test_deleting_ends_an_upload_under_way(datasets: Datasets) -> None:
    stream = OpenStream()
    upload = begun(datasets, stream)
    stream.send(*pieces(0, NPY)[:1])
    await stream.taken()
    (dataset,) = await datasets.list(OWNER, {})
    await datasets.delete(OWNER, dataset.dataset_id)
    with pytest.raises(Failure) as caught:
        await upload
    assert caught.value.reason is Reason.STREAM_SUPERSEDED
    assert await datasets.list(OWNER, {}) == ()


async def test_an_upload_that_does_not_grow_expires(datasets: Datasets, clock: Clock) -> None:
    clock.now += 10.0
    await refused(datasets, pieces(0, NPY)[:1])
    assert (await datasets.find(OWNER, request_id="r")).expire_time == clock.now + 100.0
    clock.now += 99.0
    await refused(datasets, pieces(0, NPY, start=50)[:1])
    clock.now += 99.0
    assert len(await datasets.list(OWNER, {})) == 1
    clock.now += 2.0
    assert await datasets.list(OWNER, {}) == ()


async def test_an_upload_that_a_silent_stream_holds_does_not_expire(datasets: Datasets, clock: Clock) -> None:
    stream = OpenStream()
    upload = begun(datasets, stream)
    await stream.taken()
    clock.now += 1000.0
    assert len(await datasets.list(OWNER, {})) == 1
    upload.cancel()


class WatchedStorage(LocalStorage):
    """Tells when it was swept."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.swept = asyncio.Event()

    async def sweep_datasets(self, *, unfinished_before: float, deleted_before: float) -> None:
        await super().sweep_datasets(unfinished_before=unfinished_before, deleted_before=deleted_before)
        self.swept.set()


async def test_what_is_over_its_time_is_looked_for(clock: Clock, tmp_path: Path) -> None:
    storage = WatchedStorage(tmp_path)
    clock.now = 0.0  # long before the times on the disk: only the server's own knowledge is old
    datasets = Datasets(storage, READABLE, DatasetLimits(unfinished=100.0), clock)
    await refused(datasets, pieces(0, NPY)[:1])
    assert files_below(tmp_path)
    clock.now = 101.0
    sweeping = asyncio.create_task(datasets.expire_unfinished())
    async with asyncio.timeout(10):
        await storage.swept.wait()
    sweeping.cancel()
    assert [path.name for path in files_below(tmp_path)] == ["deleted"]


async def test_a_quota_refuses_before_anything_is_kept(tmp_path: Path) -> None:
    datasets = Datasets(LocalStorage(tmp_path, quota=1000), READABLE)
    assert (await refused(datasets, [], header({"a.npy": bytes(2000)}))).reason is Reason.QUOTA_DISK
    assert await datasets.list(OWNER, {}) == ()


async def test_a_dataset_that_no_reader_knows_is_refused_before_it_is_sent(datasets: Datasets) -> None:
    failure = await refused(datasets, [], header({"notes.txt": b"x", "deep/noise.bin": b"y"}))
    assert failure.reason is Reason.DATASET_INVALID
    assert [each.subject for each in failure.violations] == ["files[0].path", "files[1].path"]
    assert ".npy" in failure.message
    assert await datasets.list(OWNER, {}) == ()


async def test_one_file_that_a_reader_knows_is_enough_and_its_case_does_not_matter(datasets: Datasets) -> None:
    files = {"notes.txt": b"x", "SCENE.NPY": NPY}
    dataset = await datasets.upload(OWNER, header(files), sent([*pieces(0, b"x"), *pieces(1, NPY)]))
    assert dataset.state is DatasetState.READY
