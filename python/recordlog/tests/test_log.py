"""What a log promises while all goes well."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenary_recordlog import (
    FRAME_BYTES,
    Draft,
    GroupCommit,
    LogClosed,
    LogFailed,
    LogLocked,
    RecordLog,
    RecordReader,
    SequenceNotRising,
)

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE = 20.0


def numbers(log: RecordReader, after: int = 0) -> list[int]:
    return [record.sequence for record in log.read(after)]


def filled(folder: Path, count: int, *, segment_bytes: int = 400, payload: bytes = b"x" * 76) -> RecordLog:
    log = RecordLog.open(folder, segment_bytes=segment_bytes)
    for sequence in range(1, count + 1):
        log.append(sequence, 1, [payload], time_us=sequence)
    return log


def test_a_record_comes_back_as_it_was_appended(tmp_path: Path) -> None:
    with RecordLog.open(tmp_path / "log") as log:
        log.append(3, 200, [b"he", bytearray(b"ll"), memoryview(b"o")], time_us=12)
        (record,) = log.read()
    assert (record.sequence, record.kind, record.time_us, record.payload) == (3, 200, 12, b"hello")


def test_a_log_that_is_opened_again_goes_on(tmp_path: Path) -> None:
    filled(tmp_path, 3).close()
    with RecordLog.open(tmp_path) as log:
        assert (log.first_sequence, log.last_sequence, log.durable_sequence) == (1, 3, 3)
        log.append(4, 1, [b""])
        assert numbers(log) == [1, 2, 3, 4]


def test_a_record_costs_24_bytes_beside_its_payload(tmp_path: Path) -> None:
    with filled(tmp_path, 10, segment_bytes=1 << 20) as log:
        assert FRAME_BYTES <= 24
        assert log.size_bytes == 8 + 10 * (24 + 76)
        assert sum(path.stat().st_size for path in tmp_path.glob("*.seg")) == log.size_bytes


def test_segments_end_at_their_size_and_reading_begins_at_any_sequence(tmp_path: Path) -> None:
    with filled(tmp_path, 20) as log:
        assert len(list(tmp_path.glob("*.seg"))) == 5
        for after in range(21):
            assert numbers(log, after) == list(range(after + 1, 21))
    reader = RecordReader.open(tmp_path)
    for after in range(21):
        assert numbers(reader, after) == list(range(after + 1, 21))


def test_reading_begins_near_its_sequence_in_a_large_segment(tmp_path: Path) -> None:
    with filled(tmp_path, 50, segment_bytes=1 << 30, payload=bytes(200_000)) as log:
        assert numbers(log, 33) == list(range(34, 51))
    assert numbers(RecordReader.open(tmp_path), 33) == list(range(34, 51))


def test_sequences_may_skip_but_never_fall(tmp_path: Path) -> None:
    with RecordLog.open(tmp_path, segment_bytes=60) as log:
        for sequence in (5, 9, 40):
            log.append(sequence, 1, [b"payload"])
        for sequence in (40, 3, 0):
            with pytest.raises(SequenceNotRising, match="does not follow 40"):
                log.append(sequence, 1, [])
        assert [numbers(log, after) for after in (0, 5, 8, 9, 39, 40)] == [[5, 9, 40], [9, 40], [9, 40], [40], [40], []]


@pytest.mark.parametrize(("kind", "time_us"), [(-1, 0), (256, 0), (1, -1), (1, 1 << 56)])
def test_what_has_no_room_in_a_frame_is_refused(tmp_path: Path, kind: int, time_us: int) -> None:
    with RecordLog.open(tmp_path) as log:
        with pytest.raises(ValueError, match="lies between"):
            log.append(1, kind, [], time_us=time_us)
        assert numbers(log) == []


def test_several_records_are_appended_all_or_none(tmp_path: Path) -> None:
    with RecordLog.open(tmp_path) as log:
        with pytest.raises(SequenceNotRising):
            log.append_all([Draft(1, 1, [b"a"]), Draft(1, 1, [b"b"])])
        assert numbers(log) == []
        log.append_all([Draft(1, 1, [b"a"]), Draft(2, 1, [b"b"])])
        log.append_all([])
        assert numbers(log) == [1, 2]


def test_more_buffers_than_one_call_takes_are_written_in_order(tmp_path: Path) -> None:
    parts = [bytes([i % 251]) * (i % 5) for i in range(3000)]
    with RecordLog.open(tmp_path) as log:
        log.append(1, 1, parts)
    assert next(RecordReader.open(tmp_path).read()).payload == b"".join(parts)


@given(
    records=st.lists(
        st.tuples(st.integers(1, 1000), st.integers(0, 255), st.lists(st.binary(max_size=60), max_size=4)), max_size=30
    ),
    segment_bytes=st.integers(16, 600),
    reopen_every=st.integers(1, 9),
)
def test_whatever_is_appended_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[tuple[int, int, list[bytes]]],
    segment_bytes: int,
    reopen_every: int,
) -> None:
    folder = tmp_path_factory.mktemp("log")
    log = RecordLog.open(folder, segment_bytes=segment_bytes)
    sequence, expected = 0, []
    for index, (step, kind, buffers) in enumerate(records):
        sequence += step
        log.append(sequence, kind, buffers)
        expected.append((sequence, kind, b"".join(buffers)))
        if index % reopen_every == 0:
            log.close()
            log = RecordLog.open(folder, segment_bytes=segment_bytes)
    with log:
        assert [(r.sequence, r.kind, r.payload) for r in log.read()] == expected
        assert log.last_sequence == sequence


def test_group_commit_reports_what_is_durable(tmp_path: Path) -> None:
    safe = threading.Event()
    with GroupCommit(interval=0.01) as commit, RecordLog.open(tmp_path, commit=commit) as log:
        log.on_durable = lambda sequence: safe.set() if sequence == 50 else None
        for sequence in range(1, 51):
            log.append(sequence, 1, [b"x"])
        assert safe.wait(DEADLINE)
        assert log.durable_sequence == 50


def test_a_round_of_the_commit_can_be_hurried(tmp_path: Path) -> None:
    safe = threading.Event()
    with GroupCommit(interval=3600) as commit, RecordLog.open(tmp_path, commit=commit) as log:
        log.on_durable = lambda _: safe.set()
        log.append(1, 1, [b"x"])
        commit.hurry()
        assert safe.wait(DEADLINE)


def test_closing_the_commit_makes_durable_what_waits(tmp_path: Path) -> None:
    log = RecordLog.open(tmp_path, commit=(commit := GroupCommit(interval=3600)))
    log.append(1, 1, [b"x"])
    assert log.durable_sequence == 0
    commit.close()
    assert log.durable_sequence == 1
    log.close()


def test_sync_and_close_make_durable(tmp_path: Path) -> None:
    seen: list[int] = []
    log = RecordLog.open(tmp_path)
    log.on_durable = seen.append
    log.append(1, 1, [b"x"])
    assert (log.durable_sequence, log.sync(), log.sync()) == (0, 1, 1)
    log.append(2, 1, [b"x"])
    log.close()
    log.close()
    assert seen == [1, 2]
    with pytest.raises(LogClosed):
        log.append(3, 1, [b"x"])


def test_a_full_segment_is_durable_before_the_next_begins(tmp_path: Path) -> None:
    with filled(tmp_path, 4) as log:
        assert log.durable_sequence == 0
        log.append(5, 1, [b"x"])
        assert log.durable_sequence == 4


def test_a_log_has_one_writer(tmp_path: Path) -> None:
    with RecordLog.open(tmp_path), pytest.raises(LogLocked, match="somebody else"):
        RecordLog.open(tmp_path)
    RecordLog.open(tmp_path).close()


def test_a_log_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    with filled(tmp_path, 6) as log:
        reader = RecordReader.open(tmp_path)
        log.append(7, 1, [b"later"])
        assert numbers(reader) == [1, 2, 3, 4, 5, 6]


def test_followers_see_every_record_once_and_in_order(tmp_path: Path) -> None:
    seen: list[int] = []
    log = RecordLog.open(tmp_path, segment_bytes=2000)
    follower = threading.Thread(target=lambda: seen.extend(record.sequence for record in log.follow(10)))
    follower.start()
    for sequence in range(1, 301):
        log.append(sequence, 1, [b"x" * 50])
    assert log.wait(299, DEADLINE)
    log.close()
    follower.join(DEADLINE)
    assert seen == list(range(11, 301))


def test_a_follower_stops_when_it_is_told(tmp_path: Path) -> None:
    with filled(tmp_path, 3) as log:
        assert [record.sequence for record in log.follow(stopped=lambda: True)] == [1, 2, 3]
        assert not log.wait(3, timeout=0.0)


def test_retention_by_size_removes_the_oldest_segments(tmp_path: Path) -> None:
    with filled(tmp_path, 20) as log:
        dropped = log.retain(most_bytes=900)
        assert (dropped.segments, dropped.size_bytes, log.size_bytes) == (3, 3 * 408, 2 * 408)
        assert (log.first_sequence, numbers(log)) == (13, list(range(13, 21)))
        assert log.retain(most_bytes=900).segments == 0
        assert log.retain(most_bytes=0).segments == 1
        assert numbers(log) == [17, 18, 19, 20]


def test_retention_by_age_keeps_segments_with_young_records(tmp_path: Path) -> None:
    filled(tmp_path, 20).close()
    with RecordLog.open(tmp_path, segment_bytes=400) as log:
        assert log.retain(not_before_us=10).segments == 2
        assert numbers(log)[0] == 9
        assert log.retain(not_before_us=1000).segments == 2
        assert numbers(log) == [17, 18, 19, 20]


def test_what_was_consumed_can_be_dropped(tmp_path: Path) -> None:
    with filled(tmp_path, 20) as log:
        assert log.drop_through(9).segments == 2
        assert numbers(log)[0] == 9
        assert log.drop_through(20).segments == 3
        assert (numbers(log), log.first_sequence, log.last_sequence, log.size_bytes) == ([], None, 20, 0)
        log.append(21, 1, [b"x"])
        assert numbers(log) == [21]
        assert log.sync() == 21


def test_a_deleted_log_leaves_nothing(tmp_path: Path) -> None:
    log = filled(tmp_path / "log", 20)
    size = log.size_bytes
    assert log.delete() == size
    assert not (tmp_path / "log").exists()


def test_a_log_whose_sync_failed_takes_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    told: list[Exception] = []
    log = filled(tmp_path, 2)
    log.on_failure = told.append
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        with pytest.raises(LogFailed, match="Input/output"):
            log.sync()
    for attempt in (log.sync, lambda: log.append(3, 1, [b"x"])):
        with pytest.raises(LogFailed):
            attempt()
    assert (len(told), log.durable_sequence) == (1, 0)
    log.close()
    with RecordLog.open(tmp_path) as again:
        again.append(3, 1, [b"x"])
        assert numbers(again) == [1, 2, 3]


def test_a_failure_in_the_commit_reaches_the_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    told = threading.Event()
    with GroupCommit(interval=0.0) as commit:
        log = RecordLog.open(tmp_path, commit=commit)
        log.on_failure = lambda _: told.set()
        log.append(1, 1, [b"x"])
        log.sync()
        monkeypatch.setattr(os, "fdatasync", broken)
        log.append(2, 1, [b"x"])
        assert told.wait(DEADLINE)
    log.close()
