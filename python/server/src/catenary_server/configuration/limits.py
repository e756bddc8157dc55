"""How large and how deep a configuration may be, and the failure for one that is not within it."""

from __future__ import annotations

from catenary_server.domain.failure import Failure, Reason, Violation

MAX_BYTES = 1 << 20
"""Of one file, or of a configuration that a client sends."""
MAX_DEPTH = 32
"""Nested mappings and lists."""
MAX_NODES = 10_000
"""Values, keys, mappings and lists together."""
MAX_OVERRIDES = 256
"""In one request."""
MAX_OVERRIDE_LENGTH = 4096
"""Characters of one override; also keeps integers below the length at which Python refuses to read them."""


def too_complex(subject: str, description: str) -> Failure:
    """CONFIG_TOO_COMPLEX about a key path, a line or an override."""
    return Failure(
        Reason.CONFIG_TOO_COMPLEX,
        f"the configuration is too complex: {subject}: {description}",
        violations=(Violation(subject, description),),
    )
