"""Whether a file is safetensors, from its header alone: what a server must know before it keeps a client's weights.

A safetensors file is the length of its header (8 bytes, little-endian), the header (a JSON object of `dtype`, `shape`
and `data_offsets` by tensor) and the data, which the tensors fill without gap or overlap.
"""

from __future__ import annotations

import json
import math
from typing import Any

from catenary_server.domain.failure import Failure, Reason, Violation

PREFIX_BYTES = 8
"""The length of the header."""
MAX_HEADER_BYTES = 16 * 1024 * 1024
"""A pipeline has hundreds of tensors, each with a line of a hundred bytes."""

_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16,
    "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip


def header_length(prefix: bytes, size: int) -> int:
    """Bytes of the header of a file of `size` bytes that begins with `prefix`.

    Raises:
        Failure: WEIGHTS_FORMAT_FORBIDDEN.
    """
    length = int.from_bytes(prefix[:PREFIX_BYTES], "little")
    if len(prefix) < PREFIX_BYTES or not 2 <= length <= min(MAX_HEADER_BYTES, size - PREFIX_BYTES):  # noqa: PLR2004 - {}
        raise _forbidden("it does not begin with the length of a header")
    return length


def check_header(header: bytes, size: int) -> None:
    """Check the header of a file of `size` bytes: every tensor is described, and together they are the data.

    Raises:
        Failure: WEIGHTS_FORMAT_FORBIDDEN for what is no header, WEIGHTS_CORRUPT if the data are not as it says.
    """
    try:
        described = json.loads(header)
        spans = sorted(_span(entry) for name, entry in described.items() if name != "__metadata__")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _forbidden("its header describes no tensors") from error
    end = 0
    for start, stop in spans:
        if start != end:
            raise _corrupt("its tensors overlap or leave gaps")
        end = stop
    if end != size - PREFIX_BYTES - len(header):
        raise _corrupt("its data are longer or shorter than its header says")


def _span(entry: dict[str, Any]) -> tuple[int, int]:
    """Where the data of a tensor begin and end."""
    shape, (start, stop) = entry["shape"], entry["data_offsets"]
    if not all(type(number) is int and number >= 0 for number in (*shape, start, stop)):
        raise ValueError("a shape or an offset is no natural number")
    if stop - start != math.prod(shape) * _BITS[entry["dtype"]] // 8:
        raise ValueError("a tensor has more or fewer bytes than its shape needs")
    return start, stop


def _forbidden(why: str) -> Failure:
    fault = Violation("weights", f"is no safetensors file: {why}")
    return Failure(
        Reason.WEIGHTS_FORMAT_FORBIDDEN, f"the weights file {fault.description}; convert it", violations=(fault,)
    )


def _corrupt(why: str) -> Failure:
    return Failure(Reason.WEIGHTS_CORRUPT, f"the weights file is damaged: {why}; send it again")
