"""Inputs in a session's shared memory: who may name them, and how they become the worker's."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, TypeAlias

from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.shared_memory import SharedTensor
from catenary_server.domain.tensor import Tensor
from catenary_server.domain.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catenary_server.domain.shared_memory import Segment

Input: TypeAlias = Tensor | SharedTensor
"""What an inference is given."""


def shared_inputs(inputs: Mapping[str, Input], segment: Segment | None) -> dict[str, SharedTensor]:
    """The inputs in shared memory, each of which lies in the session's own segment.

    Raises:
        Failure: SHM_NOT_OWNER, without saying what there is of that name; SHM_RANGE.
    """
    shared = {name: each for name, each in inputs.items() if isinstance(each, SharedTensor)}
    for name, each in shared.items():
        # In constant time, so that nobody finds the name of a segment letter by letter.
        if segment is None or not hmac.compare_digest(each.segment.encode(), segment.name.encode()):
            fault = Violation(f"inputs.{name}.shm_ref.name", "is not the shared memory of this session")
            raise Failure(Reason.SHM_NOT_OWNER, f"input {name!r}: the segment {fault.description}", violations=(fault,))
        if each.offset + each.nbytes > segment.nbytes:
            fault = Violation(
                f"inputs.{name}.shm_ref", f"{each.nbytes} bytes from {each.offset} on end beyond {segment.nbytes}"
            )
            raise Failure(Reason.SHM_RANGE, f"input {name!r}: {fault.description}", violations=(fault,))
    return shared


async def gathered(inputs: Mapping[str, Input], segment: Segment, memory: Sequence[memoryview]) -> dict[str, Tensor]:
    """The inputs in memory that nobody else writes; `shared_inputs` has passed them.

    They are copied, once, although the worker could map the segment: the client may write there at any time, and what
    was checked must be what is used.

    Args:
        inputs: the inputs.
        segment: of the session.
        memory: where they go, as long as each is.

    Raises:
        Failure: as `Segment.read`.
    """

    def copy() -> None:
        for each, target in zip(inputs.values(), memory, strict=True):
            if isinstance(each, SharedTensor):
                segment.read(each.offset, target)
            else:
                target[:] = each.data

    await in_thread(copy)
    places = zip(inputs.items(), memory, strict=True)
    return {name: Tensor(each.dtype, each.shape, target) for (name, each), target in places}
