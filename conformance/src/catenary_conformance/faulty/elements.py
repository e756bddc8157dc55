"""Edits of tensors: of their elements, and of what is said about them."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_conformance.faulty.behaviours import Edit
    from catenary_conformance.faulty.exchange import Fields

_SIZES = {1: 4, 2: 8, 3: 4, 4: 8, 5: 1, 6: 1, 7: 2, 8: 2}
"""Bytes of one element by its type."""
_FLOAT32 = 1


def each_tensor(edit: Edit) -> Edit:
    """An edit of an inference: each tensor of its inputs is edited."""

    def edit_all(request: Fields) -> None:
        for tensor in tensors(request.inputs):
            edit(tensor)

    return edit_all


def tensors(batch: Fields) -> Iterator[Fields]:
    """Every tensor of a batch of inputs."""
    for name in ("wavelengths", "cube", "mask", "mesu_index", "rgb_image", "frame_id"):
        if batch.HasField(name):
            yield getattr(batch, name)
    yield from batch.extra_inputs.values()


def length(shape: Fields, dtype: int) -> int:
    """Bytes that a tensor of the shape and type has; 0 for a type that there is not."""
    return math.prod(shape) * _SIZES.get(dtype, 0)


def made_to_fit(tensor: Fields) -> None:
    """A tensor with too few or too many bytes gets the right number; one that names shared memory stays."""
    wanted = length(tensor.shape, tensor.dtype)
    if tensor.HasField("raw_data") and 0 < wanted < 1 << 24:
        tensor.raw_data = tensor.raw_data[:wanted].ljust(wanted, b"\x00")


def finite(tensor: Fields) -> None:
    """What is no finite number becomes 0."""
    if tensor.dtype == _FLOAT32 and len(tensor.raw_data) % 4 == 0:
        values = struct.unpack(f"<{len(tensor.raw_data) // 4}f", tensor.raw_data)
        tensor.raw_data = struct.pack(f"<{len(values)}f", *(value if math.isfinite(value) else 0 for value in values))


def perturbed(content: bytes) -> bytes:
    """The same bytes but for one bit of the last but one, which in a little-endian float changes the value for sure."""
    if len(content) < 2:
        return content
    return content[:-2] + bytes([content[-2] ^ 0x40]) + content[-1:]


def perturb_outputs(response: Fields) -> None:
    """Every output of an inference is a little different."""
    for output in response.outputs.values():
        output.raw_data = perturbed(output.raw_data)
