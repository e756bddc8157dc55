import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from catenary_server.domain.failure import Failure, Reason
from catenary_server.storage.area import LocalArea
from catenary_server.storage.atomic import UNFINISHED_PREFIX, sweep, write_files
from catenary_server.storage.confinement import Place
from catenary_server.storage.local import LocalStorage

KILLS = 20 if os.environ.get("CATENARY_THOROUGH") else 8

WRITER = """
import asyncio, sys
from pathlib import Path
from catenary_server.storage.local import LocalStorage

async def write_for_ever(root):
    area = LocalStorage(root).area("anonymous")
    turn = 0
    while True:
        digit = b"%d" % (turn % 10)
        await area.write(
            {area.locate("m.safetensors"): digit * 4_000_000, area.locate("m.yaml"): digit * 1000}, must_not_exist=False
        )
        turn += 1
        print(turn, flush=True)

asyncio.run(write_for_ever(Path(sys.argv[1])))
"""

SMALL_FILES_ONLY = """
import asyncio, resource, sys
from pathlib import Path
from catenary_server.domain.failure import Failure
from catenary_server.storage.local import LocalStorage

area = LocalStorage(Path(sys.argv[1])).area("anonymous")
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    asyncio.run(area.write({area.locate("m.yaml"): b"x" * 100_000}, must_not_exist=False))
except Failure as failure:
    print(failure.reason)
"""


def unfinished(root: Path) -> list[Path]:
    return list(root.rglob(f"{UNFINISHED_PREFIX}*"))


def test_a_killed_server_leaves_whole_files_and_a_sweep_removes_the_rest(tmp_path: Path) -> None:
    """The writer dies at a different moment each time: after some writes, plus a little of the next one."""
    swept = 0
    for kill in range(KILLS):
        with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(1 + kill % 3):
                writer.stdout.readline()
            threading.Event().wait(kill / KILLS / 50)  # not a wait for something: it spreads the kills over a write
            writer.send_signal(signal.SIGKILL)
        for name, size in {"m.safetensors": 4_000_000, "m.yaml": 1000}.items():
            content = (tmp_path / name).read_bytes()
            assert len(content) == size
            assert len(set(content)) == 1
        swept += LocalStorage(tmp_path).sweep()
        assert unfinished(tmp_path) == []
    assert swept > 0


def test_a_sweep_spares_files_that_are_being_written_and_all_others(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    kept = tmp_path / "deep" / "model.yaml"
    kept.write_text("kept")
    abandoned = tmp_path / "deep" / "er" / f"{UNFINISHED_PREFIX}0"
    abandoned.touch()
    busy = tmp_path / f"{UNFINISHED_PREFIX}1"
    with busy.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert sweep(tmp_path) == 1
    assert kept.exists()
    assert busy.exists()
    assert not abandoned.exists()


def test_a_sweep_follows_no_links(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "else").mkdir()
    elsewhere = tmp_path / "else" / f"{UNFINISHED_PREFIX}0"
    elsewhere.touch()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "else")
    (tmp_path / "root" / f"{UNFINISHED_PREFIX}1").symlink_to(elsewhere)
    assert sweep(tmp_path / "root") == 0
    assert elsewhere.exists()


def test_a_sweep_of_a_root_that_does_not_exist_yet_finds_nothing(tmp_path: Path) -> None:
    assert LocalStorage(tmp_path / "later").sweep() == 0


def test_a_full_disk_is_told_as_such_and_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", SMALL_FILES_ONLY, tmp_path], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "DISK_FULL"
    assert (tmp_path / "m.yaml").read_text() == "old"
    assert unfinished(tmp_path) == []


async def test_a_failing_disk_is_told_as_such_and_leaves_the_old_file(
    area: LocalArea, artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (artifacts / "m.yaml").write_text("old")

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error", str(artifacts))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Failure) as caught:
        await area.write({artifacts / "m.yaml": b"new"}, must_not_exist=False)
    assert caught.value.reason is Reason.STORAGE_IO
    assert caught.value.retry_after
    assert str(artifacts) not in caught.value.message
    assert (artifacts / "m.yaml").read_text() == "old"
    assert unfinished(artifacts) == []


def test_files_get_their_names_in_the_order_they_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[str] = []
    replace = os.replace

    def watch(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        assert len(unfinished(tmp_path)) == 3 - len(published)
        published.append(target)
        replace(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "replace", watch)
    files = {Place(tmp_path, (name,)): name.encode() for name in ("c", "a", "b")}
    assert write_files(files, replace=False, commits=threading.Lock()) == ()
    assert published == ["c", "a", "b"]


def test_empty_and_large_files_arrive_whole(tmp_path: Path) -> None:
    contents = {"empty": b"", "large": os.urandom(1_000_003)}
    files = {Place(tmp_path, ("x", name)): content for name, content in contents.items()}
    write_files(files, replace=True, commits=threading.Lock())
    assert {path.name: path.read_bytes() for path in (tmp_path / "x").iterdir()} == contents
