from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from catenary_server.domain.dataset import DeclaredFile, UploadHeader
from catenary_server.domain.failure import Failure, Reason
from catenary_server.storage.local import LocalStorage

if TYPE_CHECKING:
    from pathlib import Path

    from catenary_server.storage.datasets import LocalDatasets

CONTENT = {"scene.npy": b"abcdef", "deep/band.png": b"ghi"}
HEADER = UploadHeader(
    request_id="r",
    name="two files",
    files=tuple(DeclaredFile(path, len(data), hashlib.sha256(data).digest()) for path, data in CONTENT.items()),
    labels={"team": "red"},
)


@pytest.fixture
def store(storage: LocalStorage) -> LocalDatasets:
    return storage.datasets("anonymous")


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def keep(store: LocalDatasets, dataset_id: str, index: int) -> None:
    path = HEADER.files[index].path
    file = await store.open_file(dataset_id, index, path)
    await file.append(memoryview(CONTENT[path]))
    await file.keep()


async def publish(store: LocalDatasets, dataset_id: str) -> None:
    await store.create(dataset_id, HEADER, 1000.0)
    for index in range(len(HEADER.files)):
        await keep(store, dataset_id, index)
    await store.publish(dataset_id, HEADER, 1000.0, 2000.0)


async def test_what_has_arrived_is_found_by_the_next_server(store: LocalDatasets, artifacts: Path) -> None:
    await store.create("d", HEADER, 1000.0)
    await keep(store, "d", 0)
    file = await store.open_file("d", 1, "deep/band.png")
    await file.append(memoryview(b"gh"))
    await file.close()
    (found,) = await LocalStorage(artifacts).datasets("anonymous").load()
    assert (found.dataset_id, found.header, found.create_time) == ("d", HEADER, 1000.0)
    assert (found.ready_time, found.whole, found.partial) == (None, 1, 2)


async def test_nothing_is_readable_before_all_of_it_is(store: LocalDatasets, storage: LocalStorage) -> None:
    area = storage.area("anonymous")
    await store.create("d", HEADER, 1000.0)
    await keep(store, "d", 0)
    with pytest.raises(Failure) as caught:
        area.find_data("datasets/d/scene.npy")
    assert caught.value.reason is Reason.DATASET_NOT_FOUND
    with pytest.raises(Failure):
        area.find_data(".catenary-datasets/d/files/scene.npy")
    await keep(store, "d", 1)
    await store.publish("d", HEADER, 1000.0, 2000.0)
    assert area.find_data("datasets/d/deep/band.png").read_bytes() == b"ghi"
    (found,) = await store.load()
    assert (found.ready_time, found.whole) == (2000.0, 2)


async def test_a_server_killed_between_the_steps_of_publishing_has_published(
    store: LocalDatasets, artifacts: Path
) -> None:
    await store.create("d", HEADER, 1000.0)
    await keep(store, "d", 0)
    await keep(store, "d", 1)
    (artifacts / "datasets").mkdir()
    (artifacts / ".catenary-datasets" / "d" / "files").rename(artifacts / "datasets" / "d")
    (found,) = await store.load()
    assert found.ready_time is not None
    await store.publish("d", HEADER, 1000.0, 2000.0)
    assert [each.ready_time for each in await store.load()] == [2000.0]


async def test_deleted_it_is_gone_and_remembered_and_readers_go_on(
    store: LocalDatasets, storage: LocalStorage, artifacts: Path
) -> None:
    await publish(store, "d")
    with storage.area("anonymous").find_data("datasets/d/scene.npy").open("rb") as reader:
        await store.delete("d")
        assert reader.read() == b"abcdef"
    assert await store.load() == ()
    assert list(await store.load_deleted()) == ["d"]
    with pytest.raises(Failure):
        storage.area("anonymous").find_data("datasets/d")
    assert names_in(artifacts / ".catenary-datasets" / "d") == ["deleted"]


async def test_a_deletion_that_broke_off_is_finished(
    store: LocalDatasets, storage: LocalStorage, artifacts: Path
) -> None:
    await publish(store, "d")
    (artifacts / ".catenary-datasets" / "d" / "deleted").touch()
    await storage.sweep_datasets(unfinished_before=0.0, deleted_before=0.0)
    assert not (artifacts / "datasets" / "d").exists()
    assert list(await store.load_deleted()) == ["d"]
    await storage.sweep_datasets(unfinished_before=0.0, deleted_before=float("inf"))
    assert names_in(artifacts / ".catenary-datasets") == []


async def test_uploads_that_do_not_grow_are_swept_from_every_area(storage: LocalStorage) -> None:
    stores = [storage.datasets(principal) for principal in ("anonymous", "ann", "bob")]
    for store in stores:
        await publish(store, "ready")
        await store.create("unfinished", HEADER, 1000.0)
    await storage.sweep_datasets(unfinished_before=1001.0, deleted_before=0.0)
    for store in stores:
        assert [each.dataset_id for each in await store.load()] == ["ready"]


async def test_a_damaged_record_is_left_alone_and_hides_no_other(store: LocalDatasets, artifacts: Path) -> None:
    await publish(store, "good")
    await store.create("bad", HEADER, 1000.0)
    (artifacts / ".catenary-datasets" / "bad" / "manifest.json").write_text('{"files": 3}')
    (artifacts / ".catenary-datasets" / "empty").mkdir()
    assert [each.dataset_id for each in await store.load()] == ["good"]


async def test_a_principal_has_datasets_of_its_own(storage: LocalStorage) -> None:
    await publish(storage.datasets("ann"), "d")
    assert storage.area("ann").find_data("datasets/d/scene.npy").read_bytes() == b"abcdef"
    for other in ("anonymous", "bob"):
        assert await storage.datasets(other).load() == ()
        with pytest.raises(Failure):
            storage.area(other).find_data("datasets/d/scene.npy")


async def test_clients_do_not_write_among_datasets(storage: LocalStorage) -> None:
    area = storage.area("anonymous")
    for path in ("datasets/d/x.yaml", "./datasets/x.yaml", "datasets"):
        with pytest.raises(Failure) as caught:
            area.locate(path)
        assert caught.value.reason is Reason.PATH_NOT_ALLOWED


async def test_a_quota_counts_what_is_promised_and_what_is_saved(artifacts: Path) -> None:
    storage = LocalStorage(artifacts, quota=5000)
    store, area = storage.datasets("ann"), storage.area("ann")
    big = UploadHeader(request_id="b", name="big", files=(DeclaredFile("a.npy", 3000, bytes(32)),))
    await store.create("first", big, 1000.0)
    with pytest.raises(Failure) as caught:
        await store.create("second", big, 1000.0)
    assert caught.value.reason is Reason.QUOTA_DISK
    assert [each.dataset_id for each in await store.load()] == ["first"]
    with pytest.raises(Failure) as caught:
        await area.write({area.locate("m.yaml"): bytes(3000)}, must_not_exist=False)
    assert caught.value.reason is Reason.QUOTA_DISK
    await area.write({area.locate("m.yaml"): bytes(1000)}, must_not_exist=False)
    await storage.datasets("bob").create("of another", big, 1000.0)
    await storage.datasets("anonymous").create("of another", big, 1000.0)
    await store.delete("first")
    await store.create("second", big, 1000.0)
