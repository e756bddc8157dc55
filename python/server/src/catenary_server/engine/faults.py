"""What a client is told when a node fails: which one and how, never the text of the exception."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from catenary_server.domain.failure import Failure, Reason, Resource

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def node_faults(name: str, type_name: str) -> Iterator[None]:
    """Turn whatever the code of a node raises into a `Failure`.

    Raises:
        Failure: as the node raised it; GPU_OUT_OF_MEMORY; NODE_FAILED for any other exception, whose text stays here
            because it may hold paths or data.
    """
    try:
        yield
    except Failure:
        raise
    except torch.OutOfMemoryError as error:
        raise Failure(
            Reason.GPU_OUT_OF_MEMORY,
            f"node {name!r} ({type_name}) needs more accelerator memory than is free: make batches or cubes smaller",
        ) from error
    except Exception as error:
        raise Failure(
            Reason.NODE_FAILED,
            f"node {name!r} ({type_name}) failed with {type(error).__name__}: check that its inputs suit it",
            resource=Resource("node", name),
        ) from error
