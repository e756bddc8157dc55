from __future__ import annotations

import pytest

from catenary_wire.fields import GROUP_START, header, scan, varint


def test_a_varint_has_seven_bits_in_each_byte() -> None:
    assert varint(0) == b"\x00"
    assert varint(127) == b"\x7f"
    assert varint(300) == b"\xac\x02"


def test_every_wire_type_is_stepped_over() -> None:
    message = b"\x08\x96\x01" + b"\x11" + bytes(8) + b"\x1a\x02hi" + b"\x25" + bytes(4)
    fields = list(scan(memoryview(message)))
    assert [(field.number, field.wire_type) for field in fields] == [(1, 0), (2, 1), (3, 2), (4, 5)]
    assert message[fields[2].content : fields[2].end] == b"hi"
    assert fields[-1].end == len(message)


def test_a_group_is_one_field() -> None:
    message = b"\x0b" + b"\x13\x10\x05\x14" + b"\x0c" + b"\x10\x01"
    fields = list(scan(memoryview(message)))
    assert [(field.number, field.wire_type) for field in fields] == [(1, GROUP_START), (2, 0)]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        pytest.param(b"\x00\x01", "field number", id="field number zero"),
        pytest.param(b"\x0f", "wire type", id="a wire type that does not exist"),
        pytest.param(b"\x1a\x05hi", "inside a field", id="content shorter than its length"),
        pytest.param(b"\x11\x00", "inside a field", id="half of a fixed number"),
        pytest.param(b"\x08\x80", "inside a number", id="an unfinished varint"),
        pytest.param(b"\x08" + b"\x80" * 10 + b"\x00", "longer than a varint", id="a varint of eleven bytes"),
        pytest.param(b"\x1a" + b"\x80" * 10 + b"\x00", "longer than a varint", id="a length of eleven bytes"),
        pytest.param(b"\x1a\xff\xff\xff\xff\x0f", "longer than a message", id="a length above 2 GiB"),
        pytest.param(b"\xff\xff\xff\xff\x7f\x00", "out of range", id="a tag above 32 bits"),
        pytest.param(b"\x0c", "not begun", id="the end of no group"),
        pytest.param(b"\x0b\x14", "not begun", id="the end of another group"),
        pytest.param(b"\x0b\x10\x01", "inside a group", id="a group without end"),
        pytest.param(b"\x0b" * 5000, "nested too deeply", id="groups without measure"),
    ],
)
def test_malformed_bytes_are_refused(message: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        list(scan(memoryview(message)))


def test_a_header_is_tag_and_length() -> None:
    assert header(3, 300) == b"\x1a\xac\x02"
