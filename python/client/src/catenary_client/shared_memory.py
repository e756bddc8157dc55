"""Shared memory of a session: inputs are written there once, and the server reads them there."""

from __future__ import annotations

import contextlib
import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc
import numpy as np

from catenary.v1.tensor_pb2 import ShmRef, Tensor
from catenary_client.errors import UnsupportedError
from catenary_wire import tensors
from catenary_wire.errors import Failure
from catenary_wire.reasons import Retry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from catenary.v1.session_pb2 import SharedMemory as SharedMemoryMessage

SHARED_FROM_BYTES: Final = 64 << 10
"""Shorter inputs travel in the message, which costs no more."""

_FOLDER = Path("/dev/shm")  # noqa: S108 - where the system keeps shared memory that has names
_ALIGNMENT = 64


class SharedMemory:
    """The segment of one session, mapped; its ranges are given to the requests under way.

    Args:
        name: what the server calls it.
        nbytes: its length in bytes.

    Raises:
        UnsupportedError: no such segment is to be found here: the server has another `/dev/shm`, as in a container.
    """

    def __init__(self, name: str, nbytes: int) -> None:
        self.name = name
        self.nbytes = nbytes
        self._taken: list[tuple[int, int]] = []
        self._memory = _mapped(name, nbytes)

    @classmethod
    def of(cls, message: SharedMemoryMessage) -> SharedMemory:
        """The segment that the server tells of.

        Raises:
            UnsupportedError: as the class says.
        """
        return cls(message.name, message.size_bytes)

    @contextlib.contextmanager
    def placed(self, arrays: Mapping[str, NDArray[Any]]) -> Iterator[dict[str, Tensor]]:
        """Write arrays to the segment and give what refers to them, for those that find room and are worth it.

        The ranges are theirs until the block is left.

        Args:
            arrays: C-contiguous little-endian arrays by input name.
        """
        ranges: list[tuple[int, int]] = []
        try:
            placed: dict[str, Tensor] = {}
            for name, array in arrays.items():
                taken = self._take(array.nbytes) if array.nbytes >= SHARED_FROM_BYTES else None
                if taken is not None:
                    ranges.append(taken)
                    placed[name] = self._written(array, taken[0])
            yield placed
        finally:
            for each in ranges:
                self._taken.remove(each)

    def close(self) -> None:
        """Unmap it; nothing finds room any more. Idempotent."""
        self.nbytes = 0
        self._memory.close()

    def _take(self, nbytes: int) -> tuple[int, int] | None:
        """Begin and end of the first gap that is long enough."""
        begin = 0
        for position, (taken, end) in enumerate(self._taken):
            if begin + nbytes <= taken:
                self._taken.insert(position, (begin, begin + nbytes))
                return self._taken[position]
            begin = -(-end // _ALIGNMENT) * _ALIGNMENT
        if begin + nbytes > self.nbytes:
            return None
        self._taken.append((begin, begin + nbytes))
        return self._taken[-1]

    def _written(self, array: NDArray[Any], offset: int) -> Tensor:
        target = np.frombuffer(self._memory, array.dtype, array.size, offset)
        np.copyto(target, array.reshape(-1))
        reference = ShmRef(name=self.name, byte_offset=offset, byte_size=array.nbytes)
        return Tensor(shape=array.shape, dtype=tensors.dtype_number(array.dtype), shm_ref=reference)


def _mapped(name: str, nbytes: int) -> mmap.mmap:
    try:
        descriptor = os.open(_FOLDER / Path(name).name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise _elsewhere(name, os.strerror(error.errno or 0)) from error
    try:
        if os.fstat(descriptor).st_size != nbytes:
            raise _elsewhere(name, "it has another length")
        # With its pages, which are there: else each would be a fault at its first touch.
        return mmap.mmap(descriptor, nbytes, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
    finally:
        os.close(descriptor)


def _elsewhere(name: str, why: str) -> UnsupportedError:
    message = (
        f"the shared memory {name} of the server cannot be used here: {why}. Client and server must see the same "
        f"{_FOLDER}, as the same user; without shared_memory, inputs travel in messages"
    )
    return UnsupportedError(
        Failure(reason="SHM_DISABLED", code=grpc.StatusCode.UNIMPLEMENTED, message=message, retry=Retry.NEVER)
    )
