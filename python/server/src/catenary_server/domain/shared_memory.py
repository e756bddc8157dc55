"""Shared memory that a client of this machine writes inputs to, so that they need not travel."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from catenary_server.domain.tensor import DType


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SharedTensor:
    """A tensor whose elements are said to lie in a segment. Nothing of it is true until it is checked."""

    dtype: DType
    shape: tuple[int, ...]
    segment: str
    """Name of the segment, as the client gives it."""
    offset: int
    """Place of the first byte in the segment."""
    nbytes: int
    """Length in bytes."""


class Segment(Protocol):
    """A segment of shared memory that this server made. Methods may be called from any thread."""

    @property
    def name(self) -> str:
        """What clients find it by; nobody can guess it."""
        ...

    @property
    def nbytes(self) -> int:
        """Length in bytes, as it was made."""
        ...

    def read(self, offset: int, target: memoryview) -> None:
        """Copy bytes from the segment, from `offset` on, as many as the target has.

        Raises:
            Failure: SHM_RANGE if a client has cut the segment short, SESSION_CLOSING once it is closed.
        """
        ...

    def close(self) -> None:
        """End the segment: nobody finds it any more. Mappings that clients have stay theirs. Idempotent."""
        ...


class SegmentSource(Protocol):
    """Makes segments."""

    def create(self, nbytes: int) -> Segment:
        """A segment of so many bytes, all of which are there; takes a second for a GiB.

        Raises:
            Failure: QUOTA_MEMORY if there is no room for it.
        """
        ...
