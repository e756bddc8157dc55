"""What a client is told when a node fails: which one and how, never the text of the exception."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure, Reason, Resource
from catenary_server.engine.memory_faults import out_of_memory, ran_out_of_memory

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
    except Exception as error:
        if ran_out_of_memory(error):
            raise out_of_memory(f"node {name!r} ({type_name})") from None
        raise Failure(
            Reason.NODE_FAILED,
            f"node {name!r} ({type_name}) failed with {type(error).__name__}: check that its inputs suit it",
            resource=Resource("node", name),
        ) from error
