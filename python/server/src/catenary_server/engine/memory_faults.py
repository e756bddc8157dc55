"""What a client is told when memory runs out, and what is left behind: a session that works on."""

from __future__ import annotations

import contextlib
import traceback
from typing import TYPE_CHECKING

import torch

from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.engine.devices import accelerator_in_use

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOST_ALLOCATOR = "DefaultCPUAllocator"


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that the accelerator or the host has no memory left."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    # For the host, torch raises a plain RuntimeError that names its allocator.
    return isinstance(error, RuntimeError) and _HOST_ALLOCATOR in str(error)


def out_of_memory(what: str) -> Failure:
    """The failure for work that needs more memory than there is."""
    message = f"{what} needs more memory than is free: make batches or cubes smaller"
    return Failure(Reason.GPU_OUT_OF_MEMORY, message, violations=(Violation("memory", message),))


@contextlib.contextmanager
def memory_faults(what: str) -> Iterator[None]:
    """Turn running out of memory into a `Failure`, and give what the accelerator's allocator keeps back.

    Raises:
        Failure: GPU_OUT_OF_MEMORY.
    """
    try:
        yield
    except Failure as failure:
        if failure.reason is Reason.GPU_OUT_OF_MEMORY:
            _let_go(failure)
        raise
    except Exception as error:
        if ran_out_of_memory(error):
            _let_go(error)
            raise out_of_memory(what) from None
        raise


def _let_go(error: BaseException) -> None:
    """Give up the tensors of the frames that failed, which the exception and those before it hold by their tracebacks.

    `raise ... from None` hides an earlier exception and keeps it all the same.
    """
    earlier: BaseException | None = error
    while earlier is not None:
        traceback.clear_frames(earlier.__traceback__)
        earlier = earlier.__context__
    if accelerator_in_use():
        torch.cuda.empty_cache()
