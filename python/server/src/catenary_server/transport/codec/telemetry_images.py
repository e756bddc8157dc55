"""Images inside encoded telemetry, found by their lengths: no image ever becomes a protobuf object here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from catenary_wire import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BATCH_DATA: Final = 3 << 3 | fields.LENGTH_DELIMITED
"""Tag of `batch_data` in StreamTelemetryRequest."""
IMAGES: Final = 4 << 3 | fields.LENGTH_DELIMITED
"""Tag of `images` in BatchData."""
IMAGE_BYTES: Final = 1 << 3 | fields.LENGTH_DELIMITED
"""Tag of `image_bytes` in ImageData."""

_CONTINUES: Final = 0x80
_FIRST_TAG: Final = 1 << 3
_MAX_TAGGED_VARINT: Final = 11
_Pieces = list["bytes | memoryview"]


class Split(NamedTuple):
    """A message without its image bytes, and those bytes as views of the message, in order; empty where none were."""

    rest: bytes
    images: list[memoryview]


def split(raw: bytes) -> Split:
    """Take the images out of a StreamTelemetryRequest.

    Raises:
        ValueError: the bytes are no protobuf message.
    """
    images: list[memoryview] = []
    data = memoryview(raw)

    def take(_: int, start: int, end: int) -> _Pieces:
        rest, first, last = _split_image(raw, data, start, end)
        images.append(data[first:last])
        return rest

    return Split(_rewritten(raw, take), images)


def replace_images(raw: bytes, change: Callable[[int, memoryview], bytes | memoryview | None]) -> bytes:
    """The message with the bytes of its images exchanged.

    Args:
        raw: a StreamTelemetryRequest.
        change: gives the new bytes of the image of an index for its old ones; None removes all of the image, too.
    """
    data = memoryview(raw)

    def exchange(index: int, start: int, end: int) -> _Pieces:
        rest, first, last = _split_image(raw, data, start, end)
        image = change(index, data[first:last])
        if image is None:
            return []
        return [*rest, fields.header(IMAGE_BYTES >> 3, len(image)), image] if image else rest

    return _rewritten(raw, exchange)


def _rewritten(raw: bytes, change: Callable[[int, int, int], _Pieces]) -> bytes:
    """The message with the content of every ImageData replaced, which `change` gets by its index and extent."""
    data = memoryview(raw)
    pieces: _Pieces = []
    kept = index = 0
    for tag, start, content, end in _fields(raw, 0, len(raw)):
        if tag != BATCH_DATA:
            continue
        batch: _Pieces = []
        from_here = content
        for inner, inner_start, inner_content, inner_end in _fields(raw, content, end):
            if inner == IMAGES:
                image = change(index, inner_content, inner_end)
                batch += (data[from_here:inner_start], fields.header(IMAGES >> 3, sum(map(len, image))), *image)
                from_here = inner_end
                index += 1
        batch.append(data[from_here:end])
        pieces += (data[kept:start], fields.header(BATCH_DATA >> 3, sum(map(len, batch))), *batch)
        kept = end
    pieces.append(data[kept:])
    return b"".join(pieces)


def _split_image(raw: bytes, data: memoryview, start: int, end: int) -> tuple[_Pieces, int, int]:
    """An ImageData without its image bytes, and where those are; the last ones count, as protobuf has it."""
    pieces: _Pieces = []
    first = last = kept = start
    for tag, field_start, content, field_end in _fields(raw, start, end):
        if tag == IMAGE_BYTES:
            pieces.append(data[kept:field_start])
            first, last, kept = content, field_end, field_end
    pieces.append(data[kept:end])
    return pieces, first, last


def _fields(raw: bytes, position: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Tag, start, start of the content and end of every field between two offsets.

    A batch has some hundred fields, so that the common forms are read here: tags of one byte, numbers, lengths of up to
    three bytes. `fields` reads everything else, and says what is wrong.
    """
    while position < end:
        tag = raw[position]
        content = finish = position + 1
        if tag & 0x87 == fields.LENGTH_DELIMITED and position + 4 < end:
            length = raw[content]
            content += 1
            if length >= _CONTINUES:
                length += (raw[content] - 1) << 7
                content += 1
                if length >= 1 << 14:
                    length += (raw[content] - 1) << 14
                    content += 1
            finish = content + length if length < 1 << 21 else 0
        elif tag & 0x87 == fields.VARINT:
            while finish < end and raw[finish] >= _CONTINUES:
                finish += 1
            finish = finish + 1 if finish - position < _MAX_TAGGED_VARINT else 0
        elif tag & 0x87 == fields.FIXED32:
            finish = content + 4
        else:
            finish = 0
        if finish == 0 or finish > end or tag < _FIRST_TAG:
            field = next(fields.scan(memoryview(raw)[position:end]))
            tag = field.number << 3 | field.wire_type
            content, finish = position + field.content, position + field.end
        yield tag, position, content, finish
        position = finish
