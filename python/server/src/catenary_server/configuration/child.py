"""Composes configurations in a process of their own: a few lines of YAML can keep a composer busy for minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from catenary_server.bounded_child import ChildLimits, LimitsExceeded, call_in_child
from catenary_server.configuration.limits import too_complex

if TYPE_CHECKING:
    from catenary_server.configuration.request import CompositionRequest
    from catenary_server.domain.config_source import SourceFile

COMPOSITION_MODULE = "catenary_server.configuration.composition"
"""What the child imports; a forkserver that has preloaded it starts children in milliseconds."""

COMPOSITION_LIMITS = ChildLimits(cpu_s=1.2)
"""Ten times what a large configuration takes; who sends a boundless one is to have the answer within two seconds."""

__all__ = ["COMPOSITION_LIMITS", "COMPOSITION_MODULE", "ChildLimits", "compose_in_child"]


def compose_in_child(request: CompositionRequest, limits: ChildLimits) -> tuple[str, tuple[SourceFile, ...]]:
    """Compose a configuration in a child process; blocks, so call it from a thread.

    Returns:
        See `composition.compose_config`.

    Raises:
        Failure: what the composition raised, or CONFIG_TOO_COMPLEX if it was ended for taking too much.
        RuntimeError: as `call_in_child`.
    """
    try:
        answer = call_in_child(f"{COMPOSITION_MODULE}:compose_config", request, limits)
    except LimitsExceeded as error:
        description = f"composing it took more than {limits.cpu_s} seconds or too much memory"
        raise too_complex(request.path, description) from error
    return cast("tuple[str, tuple[SourceFile, ...]]", answer)
