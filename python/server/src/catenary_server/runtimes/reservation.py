"""Memory for inputs that come in pieces: written straight into the block that carries them to the worker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure, Reason, Violation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary_server.runtimes.blocks import Block, OutgoingBlocks

RETRY_SECONDS = 5.0
"""When other requests may have given their memory back."""

_SPARE_BYTES = 256 << 20
"""What is left to the machine: a request must not take the last page."""


class BlockReservation:
    """Implements `domain.runtime.Reservation` over one block.

    Args:
        block: leased for this.
        blocks: where it was leased.
        sizes: lengths in bytes of the payloads that will lie in it.
    """

    def __init__(self, block: Block, blocks: OutgoingBlocks, sizes: Sequence[int]) -> None:
        self.memory = block.divide(sizes)
        self._block: Block | None = block
        self._blocks = blocks

    @property
    def block(self) -> Block:
        """The block, for the message that takes it; `taken` must follow."""
        if self._block is None:
            raise ValueError("the reservation has been used or released")
        return self._block

    def taken(self) -> None:
        """A message has the block now."""
        self._block = None

    def release(self) -> None:
        """Give the block back unless a message has it. Idempotent."""
        if self._block is not None:
            self._blocks.take_back((self._block.number,))
            self._block = None


def require_room(nbytes: int) -> None:
    """Refuse what the machine has no memory for, before any of it is allocated.

    Raises:
        Failure: QUOTA_MEMORY.
    """
    available = _available_bytes() - _SPARE_BYTES
    if nbytes > available:
        raise Failure(
            Reason.QUOTA_MEMORY,
            f"the inputs need {nbytes} bytes and the server has room for {max(0, available)}; send less, or later",
            violations=(Violation("memory_bytes", f"{nbytes} of at most {max(0, available)}"),),
            retry_after=RETRY_SECONDS,
        )


def _available_bytes() -> int:
    """What the kernel could give without swapping, and the container's limit leaves."""
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    available = 1024 * int(fields["MemAvailable"].split()[0])
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
    except OSError:
        return available
    return available if limit == "max" else min(available, int(limit) - used)
