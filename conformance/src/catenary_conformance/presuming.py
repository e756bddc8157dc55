"""What a case stands on: a failure there shows another requirement to be broken than the case's own."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def presuming(requirement_id: str) -> Iterator[None]:
    """Blame what fails within the block on a requirement that the case does not decide, but cannot do without.

    What names a requirement itself keeps it, such as a code that no RPC may answer.
    """
    try:
        yield
    except Exception as error:
        if not getattr(error, "requirement_id", ""):
            error.requirement_id = requirement_id  # type: ignore[attr-defined] # exceptions take attributes
        raise
