"""Images of a batch: taken from the training at once, encoded later."""

from __future__ import annotations

import hashlib
import io
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

try:
    from PIL import Image
except ModuleNotFoundError:
    _CAN_ENCODE = False
else:
    _CAN_ENCODE = True

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from catenary_client.telemetry.records import Tiles

_CHANNELS = (1, 3, 4)
_FLAT, _COLOURED = 2, 3
_SAMPLE_BYTES = 32
_REMEMBERED_BYTES = 8 << 20
_NAMED_TILES = 48
"""Fewer than servers keep, 64 in ours."""


class ArrayLike(Protocol):
    """An array of any framework: numpy converts it, or it gives `detach` and `cpu` as torch does."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Any:  # noqa: ANN401 - every framework has its own kind of index
        """Slice along the first axis."""
        ...


def snapshot(images: ArrayLike | Sequence[bytes], count: int) -> tuple[Tiles, int]:
    """Take the first images of a batch: encoded ones as they are, arrays as a copy, since their buffer is used again.

    Args:
        images: encoded images, or an array of shape [N, H, W], [N, H, W, C] or [N, C, H, W], or a sequence of arrays of
            shape [H, W], [H, W, C] or [C, H, W]; C is 1, 3 or 4; uint8, bool, or floats from 0 to 1.
        count: images to take at most.

    Returns:
        The images and their bytes.

    Raises:
        TypeError: if there is anything else among them.
        ValueError: if an array has another shape.
        ModuleNotFoundError: if there are arrays and the extra `telemetry` is not installed.
    """
    if not len(images) or type(images[0]) is bytes:
        # The usual way of a training that is fast: each image is touched once, since none is in the cache.
        given: Any = images
        encoded = tuple(given)[:count]
        size = 0
        for image in encoded:
            if type(image) is not bytes:
                raise TypeError(f"encoded images are bytes, not {type(image).__name__}")
            size += len(image)
        return encoded, size
    if not _CAN_ENCODE:
        raise ModuleNotFoundError("arrays are encoded with Pillow: pip install 'catenary-client[telemetry]'")
    if isinstance(images, list | tuple):
        arrays = tuple(own_copy(image) for image in images[:count])
    else:
        arrays = tuple(own_copy(cast("ArrayLike", images)[:count]))
    for array in arrays:
        _check_shape(array)
    return arrays, sum(array.nbytes for array in arrays)


def own_copy(array: object) -> NDArray[np.generic]:
    """A numpy array that shares no memory with an array of any framework.

    Raises:
        TypeError: if it is none.
    """
    host: Any = array
    if hasattr(host, "detach"):
        host = host.detach().cpu()
        host = host.float().numpy() if str(host.dtype) == "torch.bfloat16" else host.numpy()
    copied = np.array(host)
    if copied.dtype.kind not in "biuf":
        raise TypeError(f"an array of numbers is expected, not {type(array).__name__} of {copied.dtype}")
    return copied


def encode(array: NDArray[np.generic], *, pixels: int, quality: int) -> bytes:
    """Encode one image as JPEG.

    Larger ones are shrunk until they fit in a square of `pixels`; smaller ones are enlarged without smoothing, so that
    JPEG does not blur single pixels away.
    """
    picture = Image.fromarray(_as_bytes(_channels_last(array)))
    scale = pixels / max(picture.size)
    if scale != 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST)
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=quality)
    return target.getvalue()


class SeenTiles:
    """Recognises images that were shown before, so that their hash is sent instead.

    Most images are shown once, so none is hashed before it was seen twice: samples of it find a candidate, a comparison
    confirms it. The second showing goes in full with its hash, later ones as the hash alone, as long as the image is
    among those that were shown last.

    Args:
        remembered_bytes: bound of the images that are recognised.
        named: bound of the images that the server is taken to know.
    """

    def __init__(self, remembered_bytes: int = _REMEMBERED_BYTES, named: int = _NAMED_TILES) -> None:
        self._limit = remembered_bytes
        self._size = 0
        self._most_named = named
        self._named: OrderedDict[bytes, None] = OrderedDict()
        self._seen: OrderedDict[tuple[int, bytes, bytes], tuple[bytes, bytes | None]] = OrderedDict()

    def identity(self, data: bytes) -> tuple[bytes | None, bool]:
        """The SHA-256 to send with an image, and whether it is enough without the image."""
        middle = len(data) // 2
        key = (len(data), data[middle : middle + _SAMPLE_BYTES], data[-_SAMPLE_BYTES:])
        known = self._seen.get(key)
        if known is None or (known[0] is not data and known[0] != data):
            self._remember(key, data)
            return None, False
        self._seen.move_to_end(key)
        digest = known[1] or hashlib.sha256(data).digest()
        self._seen[key] = (known[0], digest)
        enough = digest in self._named
        self._named[digest] = None
        self._named.move_to_end(digest)
        if len(self._named) > self._most_named:
            self._named.popitem(last=False)
        return digest, enough

    def forget(self) -> None:
        """Send every image in full again: the server may not have what was sent."""
        self._named.clear()

    def _remember(self, key: tuple[int, bytes, bytes], data: bytes) -> None:
        if key not in self._seen:
            self._size += key[0]
        self._seen[key] = (data, None)
        while self._size > self._limit:
            (length, _, _), _ = self._seen.popitem(last=False)
            self._size -= length


def _check_shape(array: NDArray[np.generic]) -> None:
    flat = array.ndim == _FLAT
    coloured = array.ndim == _COLOURED and (array.shape[-1] in _CHANNELS or array.shape[0] in _CHANNELS)
    if not (flat or coloured) or 0 in array.shape:
        raise ValueError(f"an image has shape [H, W], [H, W, C] or [C, H, W] with C of 1, 3 or 4, not {array.shape}")


def _channels_last(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """[H, W] or [H, W, 3]; transparency is left out, since JPEG has none."""
    if array.ndim == _COLOURED and array.shape[-1] not in _CHANNELS:
        array = array.transpose(1, 2, 0)
    if array.ndim == _COLOURED:
        array = array[..., 0] if array.shape[-1] == 1 else array[..., :3]
    return array


def _as_bytes(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array, dtype=np.uint8)
    if array.dtype.kind in "fb":
        unit = np.nan_to_num(array.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0)
        return np.ascontiguousarray(np.clip(unit * 255.0 + 0.5, 0, 255), dtype=np.uint8)
    return np.ascontiguousarray(np.clip(array, 0, 255), dtype=np.uint8)
