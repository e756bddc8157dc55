from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from catenary_server.domain.failure import Failure, Reason
from catenary_server.runtimes.segments import NAME_BYTES, PREFIX, SHARED_MEMORY, FileSegments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_server.runtimes.segments import FileSegment

LENGTH = 1 << 20

KEEPER = """
import sys, time
from pathlib import Path
from catenary_server.runtimes.segments import FileSegments
print(FileSegments(Path(sys.argv[1])).create(4096).name, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test's own: other tests sweep too."""
    return tmp_path_factory.mktemp("segments")


@pytest.fixture
def segments(folder: Path) -> Iterator[FileSegments]:
    made = FileSegments(folder)
    yield made
    made.close()


@pytest.fixture
def segment(segments: FileSegments) -> Iterator[FileSegment]:
    made = segments.create(LENGTH)
    yield made
    made.close()


def open_descriptors() -> set[str]:
    return {each.name for each in Path("/proc/self/fd").iterdir()}


def read(segment: FileSegment, offset: int, count: int) -> bytes:
    target = bytearray(count)
    segment.read(offset, memoryview(target))
    return bytes(target)


def test_a_segment_is_there_whole_for_its_owner_alone(segment: FileSegment, folder: Path) -> None:
    found = (folder / segment.name).stat()
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert (found.st_size, segment.nbytes) == (LENGTH, LENGTH)
    assert found.st_blocks * 512 >= LENGTH
    assert read(segment, 0, LENGTH) == bytes(LENGTH)


def test_names_are_long_and_never_repeat(segments: FileSegments) -> None:
    made = [segments.create(4096) for _ in range(50)]
    names = {each.name for each in made}
    assert len(names) == 50
    assert all(name.startswith(PREFIX) and len(name) == len(PREFIX) + 2 * NAME_BYTES for name in names)
    for each in made:
        each.close()


def test_what_is_written_there_is_read(segment: FileSegment, folder: Path) -> None:
    with (folder / segment.name).open("r+b") as file:
        file.seek(100)
        file.write(b"elements")
    assert read(segment, 98, 12) == b"\0\0elements\0\0"


def test_a_file_that_takes_the_name_is_not_read(segment: FileSegment, folder: Path) -> None:
    secret = folder / "secret"
    secret.write_bytes(b"x" * LENGTH)
    (folder / segment.name).unlink()
    (folder / segment.name).symlink_to(secret)
    assert read(segment, 0, 100) == bytes(100)
    segment.close()
    assert secret.exists()


def test_a_segment_that_was_cut_short_is_an_error_and_no_end(segment: FileSegment, folder: Path) -> None:
    os.truncate(folder / segment.name, 100)
    assert read(segment, 0, 100) == bytes(100)
    with pytest.raises(Failure) as caught:
        read(segment, 50, 51)
    assert caught.value.reason is Reason.SHM_RANGE


def test_a_closed_segment_has_no_name_and_cannot_be_read(segment: FileSegment, folder: Path) -> None:
    segment.close()
    segment.close()
    assert not list(folder.iterdir())
    with pytest.raises(Failure) as caught:
        read(segment, 0, 1)
    assert caught.value.reason is Reason.SESSION_CLOSING


def test_a_segment_whose_name_a_client_removed_closes(segment: FileSegment, folder: Path) -> None:
    (folder / segment.name).unlink()
    segment.close()


def test_more_than_the_machine_has_is_refused_and_leaves_nothing() -> None:
    segments = FileSegments()
    before = open_descriptors()
    try:
        with pytest.raises(Failure) as caught:
            segments.create(1 << 50)
        assert caught.value.reason is Reason.QUOTA_MEMORY
        assert open_descriptors() <= before
    finally:
        segments.close()


def test_segments_leave_no_descriptor_open(segments: FileSegments) -> None:
    before = len(open_descriptors())
    for _ in range(200):
        made = segments.create(4096)
        read(made, 0, 4096)
        made.close()
    assert len(open_descriptors()) == before


def test_what_a_killed_server_left_is_swept_and_what_others_use_is_not(
    segments: FileSegments, segment: FileSegment, folder: Path
) -> None:
    foreign = folder / "psm_somebody"
    foreign.touch()
    keeper = subprocess.Popen(
        [sys.executable, "-c", KEEPER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with keeper:
        assert keeper.stdout is not None
        left = folder / keeper.stdout.readline().strip()
        assert segments.sweep() == 0
        assert left.exists()
        keeper.kill()
        keeper.wait()
        assert segments.sweep() == 1
    assert {each.name for each in folder.iterdir()} == {segment.name, foreign.name}


def test_links_and_pipes_are_not_swept(segments: FileSegments, folder: Path) -> None:
    precious = folder / "precious"
    precious.touch()
    (folder / f"{PREFIX}link").symlink_to(precious)
    os.mkfifo(folder / f"{PREFIX}pipe")
    assert segments.sweep() == 0
    assert len(list(folder.iterdir())) == 3


def test_a_lock_that_somebody_has_keeps_a_segment_from_being_swept(segments: FileSegments, folder: Path) -> None:
    left = folder / f"{PREFIX}left"
    left.touch()
    with left.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert segments.sweep() == 0
    assert segments.sweep() == 1


def test_a_system_without_the_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileSegments(tmp_path / "nowhere")
    assert Path("/dev/shm") == SHARED_MEMORY  # noqa: S108 - where clients look
