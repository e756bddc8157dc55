"""What a MATLAB file (versions 5 to 7) says of its variables, read before scipy reads their values.

scipy's compiled reader looks element types up in a table without a bounds check, so a damaged or hostile file can end
the process. Here each variable of ours is checked to be a real, dense, numeric array of a known element type.
Layout: MathWorks, "MAT-File Format", chapter 1, "Level 5 MAT-File Format".
"""

import math
import struct
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from catenary_scenes.bounds import require_bounded
from catenary_scenes.errors import SceneInvalid

_FILE_HEADER_BYTES = 128
_OPENING_BYTES = 4096
"""Enough of a variable for its flags, dimensions, name and the tag of its values."""
_BYTE_ORDERS = {b"IM": "<", b"MI": ">"}
_VERSION_73 = 0x0200
_COMPRESSED = 15
_MATRIX = 14
_NUMERIC_CLASSES = range(6, 16)
_LARGEST_NUMBER_BYTES = 8
_COMPLEX_FLAG = 0x0800
_NUMERIC_ELEMENTS = frozenset({1, 2, 3, 4, 5, 6, 7, 9, 12, 13})
"""Element types of numbers: 8 to 64-bit integers, single and double."""


class _Element(NamedTuple):
    kind: int
    """Type of the values."""
    values: bytes
    end: int
    """Where the next element starts."""


def safe_variables(path: Path, wanted: Collection[str]) -> tuple[str, ...]:
    """Names of all variables in the file, after a check of those that are wanted.

    Raises:
        SceneInvalid: not a MATLAB file of version 5 to 7, or a wanted variable is not a real numeric array.
        struct.error: the file is cut off.
        zlib.error: a compressed variable is damaged.
    """
    names = []
    file_bytes = path.stat().st_size
    with path.open("rb") as file:
        order = _byte_order(file.read(_FILE_HEADER_BYTES), path)
        while tag := file.read(8):
            kind, size = struct.unpack(order + "II", tag)
            start = file.tell()
            if start + size > file_bytes:
                raise SceneInvalid(
                    f"{path.name} has {file_bytes} bytes and describes {start + size}: it is cut off, copy it again"
                )
            opening = file.read(min(size, _OPENING_BYTES))
            if kind == _COMPRESSED:
                opening = zlib.decompressobj().decompress(opening, _OPENING_BYTES)
                kind = int(struct.unpack_from(order + "I", opening)[0])
                opening = opening[8:]
            if kind != _MATRIX:
                raise SceneInvalid(
                    f"{path.name} is damaged at byte {start}: copy it again, or save it again with '-v7'"
                )
            names.append(_checked_name(opening, order, path, wanted, size))
            file.seek(start + size)
    return tuple(names)


def _byte_order(header: bytes, path: Path) -> str:
    order = _BYTE_ORDERS.get(header[126:128])
    if order is None:
        raise SceneInvalid(f"{path.name} is no MATLAB file of version 5 to 7: save it in MATLAB with '-v7'")
    if struct.unpack_from(order + "H", header, 124)[0] == _VERSION_73:
        raise SceneInvalid(
            f"{path.name} is a MATLAB file of version 7.3 (HDF5): save it again in MATLAB with "
            "save(file, 'data', 'map', '-v7'), or convert it to .npz"
        )
    return order


def _checked_name(opening: bytes, order: str, path: Path, wanted: Collection[str], stored: int) -> str:
    flags = _element_at(opening, 0, order)
    dimensions = _element_at(opening, flags.end, order)
    named = _element_at(opening, dimensions.end, order)
    name = named.values.decode("latin-1")
    if name in wanted:
        word = struct.unpack_from(order + "I", flags.values)[0]
        if (word & 0xFF) not in _NUMERIC_CLASSES or word & _COMPLEX_FLAG:
            raise SceneInvalid(f"'{name}' in {path.name} is not an array of real numbers: save it as one")
        values = _element_at(opening, named.end, order)
        sizes = struct.unpack(f"{order}{len(dimensions.values) // 4}i", dimensions.values)
        if values.kind not in _NUMERIC_ELEMENTS or min(sizes, default=-1) < 0:
            raise SceneInvalid(f"'{name}' in {path.name} is damaged: copy the file again, or save it again with '-v7'")
        unfolded = max(values.end - named.end, math.prod(sizes) * _LARGEST_NUMBER_BYTES)
        require_bounded(unfolded, stored, f"'{name}' in {path.name}")
    return name


def _element_at(opening: bytes, start: int, order: str) -> _Element:
    word, size = struct.unpack_from(order + "II", opening, start)
    if word >> 16:  # the small form: size and type share a word, up to four bytes of values follow
        size = word >> 16
        return _Element(word & 0xFFFF, opening[start + 4 : start + 4 + size], start + 8)
    padded = -(-size // 8) * 8
    return _Element(word, opening[start + 8 : start + 8 + size], start + 8 + padded)
