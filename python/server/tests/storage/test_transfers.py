from __future__ import annotations

import asyncio
import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from catenary_server.domain.failure import Failure, Reason
from catenary_server.storage.atomic import UNFINISHED_PREFIX
from catenary_server.storage.local import LocalStorage

if TYPE_CHECKING:
    from pathlib import Path

    from catenary_server.storage.area import LocalArea


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


def placed(folder: Path, **files: str) -> Path:
    """A folder with files."""
    for name, text in files.items():
        place = folder / name.replace("__", "/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.with_name(f"{place.name}.safetensors").write_text(text)
    return folder


def linked(place: Path, target: Path) -> Path:
    """A link."""
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(target)
    return place


@pytest.fixture
def area(root: Path) -> LocalArea:
    return LocalStorage(root).area("anonymous")


async def written(area: LocalArea, *contents: bytes | None, must_not_exist: bool = False) -> None:
    """Files `w` and `d`, in that order."""
    places = [area.locate("x/w"), area.locate("x/d")]
    draft = await area.draft(places, 10, must_not_exist=must_not_exist)
    try:
        for index, content in enumerate(contents):
            if content is not None:
                await draft.append(index, memoryview(content))
        await draft.publish(must_not_exist=must_not_exist)
    finally:
        await draft.close()


def files_below(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


async def test_nothing_of_a_draft_is_seen_before_it_is_published(area: LocalArea, root: Path) -> None:
    draft = await area.draft([area.locate("x/w"), area.locate("x/d")], 10, must_not_exist=False)
    await draft.append(0, memoryview(b"wei"))
    await draft.append(0, memoryview(b"ghts"))
    await draft.append(1, memoryview(b"definition"))
    assert await draft.read(0, 1, 3) == b"eig"
    assert draft.sha256(0) == hashlib.sha256(b"weights").digest()
    assert all(UNFINISHED_PREFIX in name for name in files_below(root))
    await draft.publish(must_not_exist=True)
    assert files_below(root) == {"x/w": b"weights", "x/d": b"definition"}
    await draft.close()
    assert files_below(root) == {"x/w": b"weights", "x/d": b"definition"}


async def test_a_draft_that_is_closed_leaves_what_was_there(area: LocalArea, root: Path) -> None:
    await written(area, b"old", b"old")
    draft = await area.draft([area.locate("x/w"), area.locate("x/d")], 10, must_not_exist=False)
    await draft.append(0, memoryview(b"new"))
    await draft.close()
    assert files_below(root) == {"x/w": b"old", "x/d": b"old"}


async def test_a_file_that_is_not_written_is_gone_afterwards(area: LocalArea, root: Path) -> None:
    await written(area, b"old", b"old")
    await written(area, None, b"new")
    assert files_below(root) == {"x/d": b"new"}


async def test_files_that_are_there_can_be_kept(area: LocalArea, root: Path) -> None:
    await written(area, b"old", b"old")
    with pytest.raises(Failure) as caught:
        await written(area, b"new", b"new", must_not_exist=True)
    assert caught.value.reason is Reason.ARTIFACT_EXISTS
    assert files_below(root) == {"x/w": b"old", "x/d": b"old"}


async def test_of_two_drafts_for_a_free_place_one_is_published(area: LocalArea, root: Path) -> None:
    places = [area.locate("x/w"), area.locate("x/d")]
    drafts = [await area.draft(places, 10, must_not_exist=True) for _ in range(2)]
    for number, draft in enumerate(drafts):
        await draft.append(1, memoryview(b"%d" % number))
    outcomes = await asyncio.gather(*(draft.publish(must_not_exist=True) for draft in drafts), return_exceptions=True)
    assert [isinstance(outcome, Failure) for outcome in outcomes].count(True) == 1
    for draft in drafts:
        await draft.close()
    assert len(files_below(root)) == 1


async def test_a_quota_is_asked_before_anything_is_written(root: Path) -> None:
    area = LocalStorage(root, quota=5).area("anonymous")
    with pytest.raises(Failure) as caught:
        await area.draft([area.locate("x")], 6, must_not_exist=False)
    assert caught.value.reason is Reason.QUOTA_DISK
    assert files_below(root) == {}


async def test_a_snapshot_stays_as_it_was(area: LocalArea) -> None:
    await written(area, b"old weights", b"old")
    snapshot = await area.snapshot([area.locate("x/d"), area.locate("x/w"), area.locate("x/none")])
    await written(area, b"new weights", b"other")
    assert snapshot.sizes == (3, 11, None)
    assert await snapshot.read(1, 4, 7) == b"weights"
    assert await snapshot.sha256(0) == hashlib.sha256(b"old").digest()
    await snapshot.close()


async def test_a_file_that_became_shorter_is_corrupt(area: LocalArea, root: Path) -> None:
    await written(area, b"weights", b"old")
    snapshot = await area.snapshot([area.locate("x/w")])
    os.truncate(root / "x" / "w", 2)
    with pytest.raises(Failure) as caught:
        await snapshot.read(0, 0, 7)
    assert caught.value.reason is Reason.ARTIFACT_CORRUPT
    await snapshot.close()


async def test_links_are_neither_sent_nor_replaced(area: LocalArea, root: Path, tmp_path: Path) -> None:
    link = linked(root / "link", tmp_path / "secret")
    with pytest.raises(Failure) as caught:
        await area.snapshot([link])
    assert caught.value.reason is Reason.PATH_NOT_ALLOWED
    with pytest.raises(Failure) as caught:
        await area.draft([link], 1, must_not_exist=False)
    assert caught.value.reason is Reason.PATH_NOT_ALLOWED


async def test_files_of_the_operator_are_found_and_read_and_never_written(tmp_path: Path, root: Path) -> None:
    configs = placed(tmp_path / "configs", pipeline__rx="given")
    area = LocalStorage(root, config_roots=[configs]).area("anonymous")
    for path in ("pipeline/rx.pt", "pipeline/rx", str(configs / "pipeline" / "rx.safetensors")):
        found = area.find(path, (".safetensors",), [configs])
        assert (await area.read(found), area.name(found, [configs])) == (b"given", "pipeline/rx.safetensors")
    with pytest.raises(Failure) as caught:
        area.find("pipeline/rx", (".safetensors",))
    assert caught.value.reason is Reason.ARTIFACT_NOT_FOUND
    with pytest.raises(Failure) as caught:
        await area.write({found: b"changed"}, must_not_exist=False)
    assert caught.value.reason is Reason.PATH_INVALID
    with pytest.raises(Failure) as caught:
        area.find("/etc/passwd", (".safetensors",), [configs])
    assert caught.value.reason is Reason.PATH_INVALID


async def test_a_search_path_comes_before_the_area(tmp_path: Path, root: Path) -> None:
    configs = placed(tmp_path / "configs", w="theirs")
    placed(root, w="mine", other="mine")
    area = LocalStorage(root, config_roots=[configs]).area("anonymous")
    assert await area.read(area.find("w", (".safetensors",), [configs])) == b"theirs"
    assert await area.read(area.find("other", (".safetensors",), [configs])) == b"mine"
