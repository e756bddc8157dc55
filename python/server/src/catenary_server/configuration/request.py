"""What a composition is asked for."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CompositionRequest:
    """One call of `ConfigSource.resolve`, as it is sent to the child process."""

    config_type: str
    path: str
    overrides: tuple[str, ...]
    search_paths: tuple[Path, ...]
    roots: tuple[Path, ...]
