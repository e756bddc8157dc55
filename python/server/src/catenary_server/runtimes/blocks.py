"""Shared memory that payloads travel in: blocks of memfd, kept and used again by the side that writes them.

Who may touch a block, and when:

* The side that allocated a block is the only one that writes it. It leases the block for one message.
* The other side maps it once and reads it through views. When the last view of a message is gone, it says so
  (`released`, carried by its next message), and only then does the writer fill the block again.
* So nobody frees anything by hand: a view that a caller keeps is valid for as long as it is kept, and a reply that
  nobody waits for any more returns its block by being dropped.

A memfd has no name: after `kill -9` of either side there is nothing to sweep up.
"""

from __future__ import annotations

import collections
import dataclasses
import fcntl
import mmap
import os
import threading
import weakref
from typing import TYPE_CHECKING

import numpy as np

from catenary_server.domain.failure import Failure, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ALIGNMENT = 64
"""Payloads start at multiples of a cache line: what torch and numpy read fastest."""

_PAGE = 1 << 16
_SEALS = fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


@dataclasses.dataclass(slots=True, eq=False)
class Block:
    """Memory that this side writes. `descriptor` is open until the other side has been given the block."""

    number: int
    memory: mmap.mmap
    descriptor: int | None

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.memory)

    def fill(self, payloads: Sequence[memoryview]) -> tuple[tuple[int, int], ...]:
        """Copy payloads in, one after the other; returns start and end of each in bytes. Releases the GIL."""
        target = np.frombuffer(self.memory, np.uint8)
        spans: list[tuple[int, int]] = []
        start = 0
        for payload in payloads:
            end = start + payload.nbytes
            target[start:end] = np.frombuffer(payload, np.uint8)
            spans.append((start, end))
            start = _round_up(end, ALIGNMENT)
        return tuple(spans)

    def divide(self, sizes: Sequence[int]) -> tuple[memoryview, ...]:
        """Writable views of these lengths in bytes, one after the other; `room_for` says what they need together."""
        whole, start = memoryview(self.memory), 0
        views: list[memoryview] = []
        for size in sizes:
            views.append(whole[start : start + size])
            start = _round_up(start + size, ALIGNMENT)
        return tuple(views)

    def spans_of(self, payloads: Sequence[memoryview]) -> tuple[tuple[int, int], ...]:
        """Start and end in bytes of payloads that lie in this block already.

        Raises:
            ValueError: a payload lies elsewhere.
        """
        base = _address(memoryview(self.memory))
        spans = tuple((_address(each) - base, _address(each) - base + each.nbytes) for each in payloads)
        if any(start < 0 or end > self.size for start, end in spans):
            raise ValueError("a payload does not lie in the block that was reserved for it")
        return spans

    def close_descriptor(self) -> None:
        """Close the descriptor that was sent; the mapping keeps the memory."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


class OutgoingBlocks:
    """The blocks that this side writes. Safe for use from several threads.

    Args:
        retained_bytes: how much free memory is kept for later messages; what comes back beyond it is given up.
    """

    def __init__(self, retained_bytes: int) -> None:
        self._retained_bytes = retained_bytes
        self._lock = threading.Lock()
        self._free: list[Block] = []
        self._leased: dict[int, Block] = {}
        self._forgotten: list[int] = []
        self._last_number = 0

    def lease(self, nbytes: int) -> Block:
        """The smallest free block that is large enough, or a new one with all its pages present.

        Raises:
            Failure: OVERLOADED if the machine has no memory left.
        """
        with self._lock:
            fitting = [block for block in self._free if block.size >= nbytes]
            if fitting:
                block = min(fitting, key=lambda fit: fit.size)
                self._free.remove(block)
                self._leased[block.number] = block
                return block
            # Blocks that are too small make way, so that both together do not need more than is kept anyway.
            self._shrink(max(0, self._retained_bytes - nbytes))
            self._last_number += 1
            number = self._last_number
        block = _allocate(number, _round_up(nbytes, _PAGE))
        with self._lock:
            self._leased[number] = block
        return block

    def take_back(self, numbers: Iterable[int]) -> None:
        """The other side, or a message that was never sent, needs these blocks no more."""
        with self._lock:
            self._free.extend(self._leased.pop(number) for number in numbers)
            self._shrink(self._retained_bytes)

    def trim(self) -> None:
        """Give up every free block."""
        with self._lock:
            self._shrink(0)

    def take_forgotten(self) -> tuple[int, ...]:
        """Numbers of blocks given up since the last call, for the other side to unmap."""
        with self._lock:
            numbers = tuple(self._forgotten)
            self._forgotten.clear()
            return numbers

    @property
    def free_bytes(self) -> int:
        """Memory kept for later messages."""
        with self._lock:
            return sum(block.size for block in self._free)

    @property
    def leased_count(self) -> int:
        """Blocks that a message or its receiver still uses."""
        with self._lock:
            return len(self._leased)

    def close(self) -> None:
        """Give up everything: the other side is gone."""
        with self._lock:
            for block in (*self._free, *self._leased.values()):
                block.close_descriptor()
            self._free.clear()

    def _shrink(self, limit: int) -> None:
        self._free.sort(key=lambda block: block.size)
        while self._free and sum(block.size for block in self._free) > limit:
            block = self._free.pop()
            block.close_descriptor()
            self._forgotten.append(block.number)


class IncomingBlocks:
    """The blocks that the other side writes, mapped here.

    Args:
        writable: map for writing too. Nobody should, but torch warns about tensors over memory that is read-only.
        populate: enter all pages when a block arrives, rather than when each is first read.
    """

    def __init__(self, *, writable: bool, populate: bool) -> None:
        self._protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        self._flags = mmap.MAP_SHARED | (mmap.MAP_POPULATE if populate else 0)
        self._maps: dict[int, mmap.mmap] = {}
        self._released: collections.deque[int] = collections.deque()

    def add(self, number: int, size: int, descriptor: int) -> None:
        """Map a block that arrived for the first time, and close its descriptor."""
        try:
            self._maps[number] = mmap.mmap(descriptor, size, flags=self._flags, prot=self._protection)
        finally:
            os.close(descriptor)

    def views(self, number: int, spans: Iterable[tuple[int, int]]) -> tuple[memoryview, ...]:
        """The payloads of a message; once all of them and everything made from them are gone, the block is released."""
        whole = np.frombuffer(self._maps[number], np.uint8)
        # Every memoryview, array or torch tensor made from a payload keeps `whole` alive, so its end is their end.
        weakref.finalize(whole, self._released.append, number).atexit = False
        return tuple(whole.data[start:end] for start, end in spans)

    def forget(self, numbers: Iterable[int]) -> None:
        """Unmap blocks that the other side gave up."""
        for number in numbers:
            self._maps.pop(number, None)

    def take_released(self) -> tuple[int, ...]:
        """Numbers of blocks whose views are gone since the last call. Finalizers may add from any thread meanwhile."""
        released = self._released
        return tuple(released.popleft() for _ in range(len(released)))

    @property
    def mapped_count(self) -> int:
        """Blocks mapped."""
        return len(self._maps)


def _allocate(number: int, size: int) -> Block:
    """A block with all pages present: filling fresh pages one fault at a time is ten times slower."""
    descriptor = os.memfd_create("catenary-payload", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.posix_fallocate(descriptor, 0, size)
        # Nobody can cut the memory short below a reader, which would kill it with SIGBUS.
        fcntl.fcntl(descriptor, *_SEALS)
        memory = mmap.mmap(descriptor, size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
    except OSError as error:
        os.close(descriptor)
        raise Failure(
            Reason.OVERLOADED, f"no memory for a payload of {size} bytes: {error.strerror}", retry_after=1.0
        ) from error
    return Block(number, memory, descriptor)


def room_for(sizes: Iterable[int]) -> int:
    """Bytes that payloads of these lengths need in one block."""
    return sum(_round_up(size, ALIGNMENT) for size in sizes)


def _address(view: memoryview) -> int:
    return int(np.frombuffer(view, np.uint8).ctypes.data)


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step
