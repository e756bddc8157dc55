from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from catenary_client.telemetry.messages import Outgoing
from catenary_client.telemetry.records import Kind
from catenary_client.telemetry.spill import RunIdentity, Spill, SpillInUse, read_identity

if TYPE_CHECKING:
    from pathlib import Path


def open_spill(folder: Path, *, image_bytes: int = 1 << 20) -> Spill:
    return Spill(folder / "run", image_bytes=image_bytes, small_bytes=1 << 16, segment_bytes=4096)


def event(text: bytes) -> Outgoing:
    return Outgoing(Kind.EVENT, (text,))


def strip(payload: bytes) -> tuple[bytes, ...]:
    return (payload[:1],)


def payloads(spill: Spill) -> list[bytes]:
    found = []
    while (record := spill.take_small()) is not None:
        found.append(record.payload)
    return found


def test_two_processes_cannot_use_one_run(tmp_path: Path) -> None:
    spill = open_spill(tmp_path)
    with pytest.raises(SpillInUse):
        open_spill(tmp_path)
    spill.close()
    open_spill(tmp_path).close()


def test_the_token_is_for_this_user_only(tmp_path: Path) -> None:
    spill = open_spill(tmp_path)
    identity = RunIdentity("run", "host:1", "trainer", "secret", {"kind": "test"})
    spill.identify(identity)
    assert read_identity(spill.folder) == identity
    assert stat.S_IMODE((spill.folder / "run.json").stat().st_mode) == 0o600
    spill.close()


def test_a_damaged_identity_is_none(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"run_id": 1')
    assert read_identity(tmp_path) is None
    assert read_identity(tmp_path / "nowhere") is None


@pytest.mark.parametrize(("resume_from", "left"), [(1, [b"a", b"b", b"c"]), (11, [b"b", b"c"]), (12, [b"c"])])
def test_what_was_sent_and_is_not_at_the_server_is_read_again(
    tmp_path: Path, resume_from: int, left: list[bytes]
) -> None:
    spill = open_spill(tmp_path)
    for text in (b"a", b"b", b"c"):
        assert spill.keep_small(event(text))
    for sequence in (10, 11):
        spill.take_small()
        spill.note_sent(sequence)
    spill.close()

    again = open_spill(tmp_path)
    assert again.resume(resume_from) == []
    assert payloads(again) == left
    again.close()


def test_what_was_sent_comes_back_before_what_was_not(tmp_path: Path) -> None:
    spill = open_spill(tmp_path)
    for text in (b"a", b"b"):
        spill.keep_small(event(text))
    spill.take_small()
    spill.note_sent(5)
    spill.leave([(5, event(b"a")), (6, Outgoing(Kind.GAP, (b"gap",), count=3))])
    spill.close()

    again = open_spill(tmp_path)
    pending = again.resume(5)
    assert [(item.sequence, item.kind, item.dropped, item.payload) for item in pending] == [
        (5, Kind.EVENT, 0, b"a"),
        (6, Kind.GAP, 3, b"gap"),
    ]
    assert payloads(again) == [b"b"]
    again.close()


def test_a_second_crash_before_anything_was_sent_changes_nothing(tmp_path: Path) -> None:
    spill = open_spill(tmp_path)
    for text in (b"a", b"b"):
        spill.keep_small(event(text))
    spill.take_small()
    spill.note_sent(3)
    spill.close()
    for _ in range(2):
        spill = open_spill(tmp_path)
        spill.resume(4)
        spill.close()
    spill = open_spill(tmp_path)
    spill.resume(4)
    assert payloads(spill) == [b"b"]
    spill.close()


def test_numbers_are_never_given_twice_even_when_the_lanes_were_empty(tmp_path: Path) -> None:
    spill = open_spill(tmp_path)
    spill.keep_small(event(b"a"))
    record = spill.take_small()
    assert record is not None
    spill.note_sent(1)
    spill.release(small=record.number, images=0)
    spill.close()
    again = open_spill(tmp_path)
    again.keep_small(event(b"b"))
    again.resume(2)
    assert payloads(again) == [b"b"]
    again.close()


def test_a_server_that_begins_anew_does_not_confuse_the_journal(tmp_path: Path) -> None:
    spill = open_spill(tmp_path)
    for text in (b"a", b"b", b"c"):
        spill.keep_small(event(text))
    for sequence in (10, 11, 1):
        spill.take_small()
        spill.note_sent(sequence)
    spill.close()
    again = open_spill(tmp_path)
    again.resume(2)
    assert payloads(again) == []
    again.close()


def test_images_beyond_the_room_are_thinned(tmp_path: Path) -> None:
    spill = open_spill(tmp_path, image_bytes=16384)
    results = [spill.keep_images(Outgoing(Kind.IMAGES, (bytes(500),)), strip) for _ in range(100)]
    assert all(kept for kept, _ in results)
    assert spill.used_bytes < 16384 + 8192
    kinds = []
    while (record := spill.take_images()) is not None:
        kinds.append(record.kind)
    assert len(kinds) == 100
    assert kinds.count(Kind.BATCH) == sum(thinned for _, thinned in results)
    assert kinds[-1] is Kind.IMAGES
    spill.delete()
    assert not spill.folder.exists()


def test_small_messages_without_room_are_not_taken(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "run", image_bytes=1 << 20, small_bytes=100, segment_bytes=4096)
    assert not spill.keep_small(event(bytes(200)))
    assert not spill.small_waits
    spill.close()
