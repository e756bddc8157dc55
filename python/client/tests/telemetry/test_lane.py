from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from catenary_client.telemetry.lane import LEVELS, Lane
from catenary_client.telemetry.records import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

SEGMENT_BYTES = 1000


def strip(payload: bytes) -> Sequence[bytes]:
    return (b"-", payload[:8])


def payload(number: int) -> bytes:
    return number.to_bytes(8, "big") + bytes(192)


def fill(lane: Lane, numbers: range) -> None:
    for number in numbers:
        lane.append(Kind.IMAGES, (payload(number),))


def drain(lane: Lane) -> list[tuple[int, Kind]]:
    found = []
    while (record := lane.take()) is not None:
        number = int.from_bytes(record.payload.lstrip(b"-")[:8].rjust(8, b"\0"), "big")
        assert number == record.number
        found.append((record.number, record.kind))
    return found


def test_records_come_back_in_order_while_others_are_added(tmp_path: Path) -> None:
    lane = Lane(tmp_path, SEGMENT_BYTES)
    fill(lane, range(1, 8))
    first = lane.take()
    assert first is not None
    assert first.number == 1
    fill(lane, range(8, 11))
    assert drain(lane) == [(number, Kind.IMAGES) for number in range(2, 11)]
    assert not lane.waits
    assert lane.take() is None
    lane.close()


def test_what_is_released_leaves_the_disk_and_numbers_go_on(tmp_path: Path) -> None:
    lane = Lane(tmp_path, SEGMENT_BYTES)
    fill(lane, range(1, 21))
    drain(lane)
    lane.release_through(20)
    assert lane.size_bytes == 0
    fill(lane, range(21, 23))
    assert [number for number, _ in drain(lane)] == [21, 22]
    lane.close()
    again = Lane(tmp_path, SEGMENT_BYTES, cursor=22)
    fill(again, range(23, 24))
    assert [number for number, _ in drain(again)] == [23]
    again.close()


def test_thinning_takes_the_images_of_every_second_one_of_the_oldest(tmp_path: Path) -> None:
    lane = Lane(tmp_path, SEGMENT_BYTES, levels=LEVELS)
    fill(lane, range(1, 21))
    before = lane.size_bytes
    assert lane.thin(strip) == 2
    assert lane.size_bytes < before
    records = drain(lane)
    assert [number for number, _ in records] == list(range(1, 21))
    assert [number for number, kind in records if kind is Kind.BATCH] == [2, 4]
    lane.close()


@settings(max_examples=25, deadline=None)
@given(actions=st.lists(st.sampled_from(["fill", "thin", "take", "release", "reopen"]), max_size=40))
def test_whatever_happens_every_record_is_read_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, actions: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("lane")
    lane = Lane(folder, SEGMENT_BYTES, levels=LEVELS)
    added, read, stripped = 0, [], 0
    for action in actions:
        if action == "fill":
            fill(lane, range(added + 1, added + 8))
            added += 7
        elif action == "thin":
            stripped += lane.thin(strip)
        elif action == "take":
            read += [record for _ in range(3) if (record := lane.take()) is not None]
        elif action == "release":
            lane.release_through(read[-1].number if read else 0)
        else:
            lane.close()
            lane = Lane(folder, SEGMENT_BYTES, levels=LEVELS, cursor=read[-1].number if read else 0)
    while (record := lane.take()) is not None:
        read.append(record)
    assert [record.number for record in read] == list(range(1, added + 1))
    assert sum(record.kind is Kind.BATCH for record in read) == stripped
    lane.close()
