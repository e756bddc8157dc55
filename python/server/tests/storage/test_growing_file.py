from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from catenary_server.domain.failure import Failure, Reason
from catenary_server.storage.confinement import Place
from catenary_server.storage.growing_file import LocalGrowingFile

if TYPE_CHECKING:
    from pathlib import Path

SMALL_FILES_ONLY = """
import asyncio, resource, sys
from pathlib import Path
from catenary_server.domain.failure import Failure
from catenary_server.storage.confinement import Place
from catenary_server.storage.growing_file import LocalGrowingFile

async def fill(root):
    file = await LocalGrowingFile.open(Place(root, ("growing",)), Place(root, ("whole",)))
    await file.append(memoryview(b"x" * 8000))
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    try:
        await file.append(memoryview(b"y" * 8000))
    except Failure as failure:
        print(failure.reason, file.size)
    await file.close()

asyncio.run(fill(Path(sys.argv[1])))
"""


def places(root: Path) -> tuple[Place, Place]:
    return Place(root, ("upload", "growing")), Place(root, ("upload", "files", "deep", "a.npy"))


def folder_of(root: Path) -> Path:
    return root / "upload"


async def test_a_file_grows_and_becomes_one_of_the_dataset(tmp_path: Path) -> None:
    file = await LocalGrowingFile.open(*places(tmp_path))
    await file.append(memoryview(b"abc"))
    await file.append(memoryview(b"defg"))
    assert (file.size, file.sha256(), await file.head(5)) == (7, hashlib.sha256(b"abcdefg").digest(), b"abcde")
    assert not (tmp_path / "upload" / "files").exists()
    await file.keep()
    assert (tmp_path / "upload" / "files" / "deep" / "a.npy").read_bytes() == b"abcdefg"
    assert [path.name for path in folder_of(tmp_path).iterdir()] == ["files"]


async def test_opened_again_it_goes_on_behind_what_is_there(tmp_path: Path) -> None:
    first = await LocalGrowingFile.open(*places(tmp_path))
    await first.append(memoryview(b"abc"))
    await first.close()
    await first.close()
    await first.flush()
    second = await LocalGrowingFile.open(*places(tmp_path))
    assert second.size == 3
    await second.append(memoryview(b"d"))
    assert second.sha256() == hashlib.sha256(b"abcd").digest()
    await second.close()


async def test_cleared_it_begins_again(tmp_path: Path) -> None:
    file = await LocalGrowingFile.open(*places(tmp_path))
    await file.append(memoryview(b"wrong"))
    await file.clear()
    await file.append(memoryview(b"right"))
    assert file.sha256() == hashlib.sha256(b"right").digest()
    await file.keep()
    assert (tmp_path / "upload" / "files" / "deep" / "a.npy").read_bytes() == b"right"


def test_a_full_disk_keeps_what_came_before_and_nothing_of_the_rest(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: it breaks a write in its middle, as a full disk does."""
    command = [sys.executable, "-c", SMALL_FILES_ONLY, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["DISK_FULL", "8000"]
    assert (tmp_path / "growing").read_bytes() == b"x" * 8000


async def test_a_link_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "upload").mkdir()
    (tmp_path / "canary").write_bytes(b"untouched")
    (tmp_path / "upload" / "growing").symlink_to(tmp_path / "canary")
    with pytest.raises(Failure) as caught:
        await LocalGrowingFile.open(*places(tmp_path))
    assert caught.value.reason is Reason.PATH_NOT_ALLOWED
    assert (tmp_path / "canary").read_bytes() == b"untouched"


async def test_a_caller_that_is_cancelled_leaves_when_the_bytes_are_written(tmp_path: Path) -> None:
    file = await LocalGrowingFile.open(*places(tmp_path))
    content = bytes(20_000_000)
    appending = asyncio.create_task(file.append(memoryview(content)))
    await asyncio.sleep(0)
    appending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await appending
    assert file.size in {0, len(content)}
    await file.close()
    assert (tmp_path / "upload" / "growing").stat().st_size == file.size
