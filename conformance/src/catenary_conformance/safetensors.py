"""Files of weights, written by hand: good ones, and ones that belong to no pipeline."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LENGTH_BYTES = 8
"""Bytes at the beginning of a file that say how long its header is."""
METADATA = "__metadata__"
"""Key of a header that names no tensor."""


def safetensors_file(tensors: Mapping[str, tuple[list[int], bytes]]) -> bytes:
    """A safetensors file of float32 tensors, by their names with shape and elements."""
    header, offset = {}, 0
    for name, (shape, content) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + len(content)]}
        offset += len(content)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(content for _, content in tensors.values())


def header_length(file: bytes) -> int:
    """Length of the header of a file."""
    (length,) = struct.unpack("<Q", file[:LENGTH_BYTES])
    return int(length)


def tensor_names(file: bytes) -> list[str]:
    """Names of the tensors of a file."""
    header = json.loads(file[LENGTH_BYTES : LENGTH_BYTES + header_length(file)])
    return [name for name in header if name != METADATA]


STRANGER = safetensors_file({"conformance.stranger": ([2], bytes(8))})
"""Weights of no pipeline."""
