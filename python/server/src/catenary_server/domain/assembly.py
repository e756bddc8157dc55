"""Puts tensors together that come in pieces: in order, without gaps, straight into the memory they are used from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from catenary_server.domain.failure import Failure, Reason, Violation

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_PIECE_BYTES = 1 << 20
"""Shortest piece, except the last of a tensor."""

MAX_PIECE_BYTES = 4 << 20
"""Longest piece."""


class Piece(NamedTuple):
    """Some bytes of one tensor."""

    tensor: int
    """Its place in the list of tensors."""
    offset: int
    """Place of the first byte in the tensor."""
    data: memoryview


class Assembly:
    """Takes the pieces of several tensors, one tensor after the other.

    Args:
        names: what the tensors are called, for messages.
        memory: where their bytes go, as long as each of them is.
    """

    def __init__(self, names: Sequence[str], memory: Sequence[memoryview]) -> None:
        self._names = names
        self._memory = memory
        self._tensor = 0
        self._offset = 0
        self._skip_complete()

    def take(self, piece: Piece) -> None:
        """Copy a piece to its place.

        Raises:
            Failure: FIELD_INVALID for a piece out of turn, or one that is too short or too long;
                TENSOR_SIZE_MISMATCH for bytes beyond the end of a tensor.
        """
        if self._tensor == len(self._memory):
            raise _mismatch(self._names[-1], "all bytes that the headers announce have come")
        if (piece.tensor, piece.offset) != (self._tensor, self._offset):
            raise _invalid(
                f"this piece is of tensor {piece.tensor} from byte {piece.offset}; "
                f"what comes next is tensor {self._tensor} from byte {self._offset}"
            )
        target = self._memory[self._tensor]
        end = piece.offset + piece.data.nbytes
        if end > target.nbytes:
            raise _mismatch(self._names[self._tensor], f"its header announces {target.nbytes} bytes, {end} have come")
        last = end == target.nbytes
        if not (1 if last else MIN_PIECE_BYTES) <= piece.data.nbytes <= MAX_PIECE_BYTES:
            raise _invalid(
                f"a piece has {MIN_PIECE_BYTES} to {MAX_PIECE_BYTES} bytes, less only at the end of a tensor; "
                f"this one has {piece.data.nbytes}"
            )
        target[piece.offset : end] = piece.data
        self._offset = end
        self._skip_complete()

    def finish(self) -> None:
        """Check that every byte has come.

        Raises:
            Failure: TENSOR_SIZE_MISMATCH.
        """
        if self._tensor < len(self._memory):
            expected = self._memory[self._tensor].nbytes
            raise _mismatch(
                self._names[self._tensor], f"its header announces {expected} bytes, {self._offset} have come"
            )

    def _skip_complete(self) -> None:
        while self._tensor < len(self._memory) and self._offset == self._memory[self._tensor].nbytes:
            self._tensor, self._offset = self._tensor + 1, 0


def _invalid(description: str) -> Failure:
    return Failure(Reason.FIELD_INVALID, description, violations=(Violation("chunk", description),))


def _mismatch(name: str, description: str) -> Failure:
    fault = Violation(f"inputs.{name}", description)
    return Failure(Reason.TENSOR_SIZE_MISMATCH, f"input {name!r}: {description}", violations=(fault,))
