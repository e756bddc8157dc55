"""What is left of a log after crashes, damage and full disks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from catenary_recordlog import LogCorrupt, RecordLog, RecordReader

if TYPE_CHECKING:
    from pathlib import Path

PAYLOADS = [b"first record", b"", b"third, which is the last"]
WRITER = """
import sys
from pathlib import Path
from catenary_recordlog import GroupCommit, RecordLog

log = RecordLog.open(Path(sys.argv[1]), segment_bytes=200_000, commit=GroupCommit(interval=0.002))
log.on_durable = lambda sequence: print(sequence, flush=True)
while True:
    sequence = log.last_sequence + 1
    log.append(sequence, sequence % 256, [sequence.to_bytes(8, "little"), bytes(sequence * 37 % 5000)])
"""
FILLER = """
import resource, sys
from pathlib import Path
from catenary_recordlog import LogFull, RecordLog

log = RecordLog.open(Path(sys.argv[1]))
log.append(1, 1, [bytes(1000)])
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
for sequence in (2, 3):
    try:
        log.append(sequence, 1, [bytes(1500)])
    except LogFull as full:
        print("full", sequence, log.last_sequence, full)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.append(3, 1, [b"room again"])
log.close()
"""


@pytest.fixture
def whole(tmp_path: Path) -> tuple[Path, bytes]:
    """A segment with three records: its file and its bytes."""
    with RecordLog.open(tmp_path) as log:
        for sequence, payload in enumerate(PAYLOADS, 1):
            log.append(sequence, sequence, [payload])
    (path,) = tmp_path.glob("*.seg")
    return path, path.read_bytes()


def held(folder: Path) -> list[tuple[int, bytes]]:
    return [(record.sequence, record.payload) for record in RecordReader.open(folder).read()]


EXPECTED = list(enumerate(PAYLOADS, 1))
LAST = 24 + len(PAYLOADS[-1])


def test_an_end_cut_anywhere_leaves_the_records_before_it(whole: tuple[Path, bytes]) -> None:
    path, data = whole
    for length in range(8, len(data)):
        path.write_bytes(data[:length])
        complete = [e for e, end in zip(EXPECTED, (8 + 24 + 12, 8 + 48 + 12, len(data)), strict=True) if end <= length]
        assert held(path.parent) == complete
        with RecordLog.open(path.parent) as log:
            assert log.repaired_bytes == length - path.stat().st_size
            log.append(9, 1, [b"after the repair"])
        assert held(path.parent) == [*complete, (9, b"after the repair")]


def test_a_bit_flipped_anywhere_in_the_last_record_removes_it_alone(whole: tuple[Path, bytes]) -> None:
    path, data = whole
    for place in range(len(data) - LAST, len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            with RecordLog.open(path.parent) as log:
                assert [(record.sequence, record.payload) for record in log.read()] == EXPECTED[:-1]


@pytest.mark.parametrize("tail", [bytes(5), bytes(100), b"\xff" * 64])
def test_rubbish_behind_the_end_is_cut_off(whole: tuple[Path, bytes], tail: bytes) -> None:
    path, data = whole
    path.write_bytes(data + tail)
    with RecordLog.open(path.parent) as log:
        assert log.repaired_bytes == len(tail)
    assert path.read_bytes() == data


def test_records_that_were_written_twice_end_the_log(whole: tuple[Path, bytes]) -> None:
    path, data = whole
    path.write_bytes(data + data[-LAST:])
    with RecordLog.open(path.parent) as log:
        assert log.repaired_bytes == LAST


def test_a_segment_that_had_not_begun_is_removed(whole: tuple[Path, bytes]) -> None:
    path, _ = whole
    (path.parent / f"{4:020d}.seg").write_bytes(b"CAT")
    with RecordLog.open(path.parent) as log:
        assert log.last_sequence == 3
    assert list(path.parent.glob("*.seg")) == [path]


def test_a_segment_without_records_is_used(whole: tuple[Path, bytes]) -> None:
    path, data = whole
    (path.parent / f"{8:020d}.seg").write_bytes(data[:8])
    with RecordLog.open(path.parent) as log:
        assert log.last_sequence == 7
        log.append(10, 1, [b"x"])
        assert [record.sequence for record in log.read(2)] == [3, 10]


def test_damage_before_the_end_is_told_not_cut(tmp_path: Path) -> None:
    with RecordLog.open(tmp_path, segment_bytes=100) as log:
        for sequence in range(1, 7):
            log.append(sequence, 1, [bytes(60)])
    first = min(tmp_path.glob("*.seg"))
    damaged = bytearray(first.read_bytes())
    damaged[50] ^= 1
    first.write_bytes(damaged)
    with RecordLog.open(tmp_path) as log:
        assert log.repaired_bytes == 0
        with pytest.raises(LogCorrupt, match="damaged at byte 8"):
            list(log.read())
        assert [record.sequence for record in log.read(2)] == [3, 4, 5, 6]


def test_a_file_that_is_no_segment_is_told(tmp_path: Path) -> None:
    (tmp_path / f"{1:020d}.seg").write_bytes(b"something else")
    with pytest.raises(LogCorrupt, match="no segment"):
        RecordLog.open(tmp_path)
    with pytest.raises(LogCorrupt, match="no segment"):
        RecordReader.open(tmp_path)


@pytest.mark.parametrize("reports", [1, 3, 10, 25])
def test_what_was_durable_outlives_the_kill_of_its_writer(tmp_path: Path, reports: int) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        durable = 0
        for _ in range(reports):
            durable = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read().splitlines(keepends=True)
    durable = max([durable, *(int(line) for line in rest if line.endswith(b"\n"))])
    with RecordLog.open(tmp_path) as log:
        assert log.last_sequence >= durable
        records = list(log.read())
    assert [record.sequence for record in records] == list(range(1, len(records) + 1))
    assert all(
        record.payload == record.sequence.to_bytes(8, "little") + bytes(record.sequence * 37 % 5000)
        and record.kind == record.sequence % 256
        for record in records
    )


def test_a_full_disk_leaves_the_log_as_it_was_until_there_is_room(tmp_path: Path) -> None:
    told = subprocess.run([sys.executable, "-c", FILLER, str(tmp_path)], capture_output=True, check=True, text=True)
    assert told.stdout.splitlines() == [f"full 3 2 appending to {tmp_path.name}: File too large"]
    assert held(tmp_path) == [(1, bytes(1000)), (2, bytes(1500)), (3, b"room again")]


def test_a_segment_that_finds_no_room_is_not_begun(tmp_path: Path) -> None:
    script = FILLER.replace(
        "log = RecordLog.open(Path(sys.argv[1]))", "log = RecordLog.open(Path(sys.argv[1]), segment_bytes=500)"
    )
    script = script.replace("(3000,", "(4,")
    told = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, check=True, text=True)
    assert [line.split()[:3] for line in told.stdout.splitlines()] == [["full", "2", "1"], ["full", "3", "1"]]
    assert held(tmp_path) == [(1, bytes(1000)), (3, b"room again")]
