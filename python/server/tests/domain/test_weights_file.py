from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import load, save

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.weights_file import MAX_HEADER_BYTES, PREFIX_BYTES, check_header, header_length

if TYPE_CHECKING:
    from numpy.typing import NDArray

TENSORS: dict[str, NDArray[Any]] = {
    "a.weight": np.zeros((2, 3), np.float32),
    "a.bias": np.zeros(3, np.float64),
    "b.count": np.zeros((), np.int64),
}
GOOD = save(TENSORS, metadata={"made": "here"})


def check(content: bytes) -> None:
    length = header_length(content[:PREFIX_BYTES], len(content))
    check_header(content[PREFIX_BYTES : PREFIX_BYTES + length], len(content))


def with_header(entries: dict[str, Any], data: bytes) -> bytes:
    header = json.dumps(entries).encode()
    return len(header).to_bytes(8, "little") + header + data


def entry(shape: list[int], start: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize("content", [GOOD, save({}), save({"none": np.zeros((0, 4), np.float16)})])
def test_what_the_library_writes_is_taken(content: bytes) -> None:
    check(content)


FAULTY = {
    "pickle": (pickle.dumps({"a": 1}), Reason.WEIGHTS_FORMAT_FORBIDDEN),
    "zip": (b"PK\x03\x04" + bytes(100), Reason.WEIGHTS_FORMAT_FORBIDDEN),
    "empty": (b"", Reason.WEIGHTS_FORMAT_FORBIDDEN),
    "header longer than the file": ((1000).to_bytes(8, "little") + b"{}", Reason.WEIGHTS_FORMAT_FORBIDDEN),
    "header without measure": (
        (MAX_HEADER_BYTES + 1).to_bytes(8, "little") + b"{" * (MAX_HEADER_BYTES + 2),
        Reason.WEIGHTS_FORMAT_FORBIDDEN,
    ),
    "no JSON": ((4).to_bytes(8, "little") + b"{{{{", Reason.WEIGHTS_FORMAT_FORBIDDEN),
    "deep JSON": ((100_000).to_bytes(8, "little") + b"[" * 100_000, Reason.WEIGHTS_FORMAT_FORBIDDEN),
    "no tensors": (with_header({"a": 5}, b""), Reason.WEIGHTS_FORMAT_FORBIDDEN),
    "negative size": (with_header({"a": entry([-1], 0, -4)}, b""), Reason.WEIGHTS_FORMAT_FORBIDDEN),
    "size is a boolean": (with_header({"a": entry([True], 0, 4)}, bytes(4)), Reason.WEIGHTS_FORMAT_FORBIDDEN),
    "unknown type": (with_header({"a": entry([1], 0, 4, "X9")}, bytes(4)), Reason.WEIGHTS_FORMAT_FORBIDDEN),
    "wrong length": (with_header({"a": entry([2], 0, 4)}, bytes(4)), Reason.WEIGHTS_FORMAT_FORBIDDEN),
    "overlap": (with_header({"a": entry([1], 0, 4), "b": entry([1], 0, 4)}, bytes(4)), Reason.WEIGHTS_CORRUPT),
    "gap": (with_header({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, bytes(12)), Reason.WEIGHTS_CORRUPT),
    "cut off": (GOOD[:-1], Reason.WEIGHTS_CORRUPT),
    "too long": (GOOD + b"x", Reason.WEIGHTS_CORRUPT),
}


@pytest.mark.parametrize(("content", "reason"), FAULTY.values(), ids=FAULTY)
def test_what_the_library_refuses_is_refused(content: bytes, reason: Reason) -> None:
    with pytest.raises((SafetensorError, KeyError)):
        load(content)
    with pytest.raises(Failure) as caught:
        check(content)
    assert caught.value.reason is reason
