"""Saved pipelines that travel between client and server."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catenary_server.domain.dataset import DeclaredFile

DEFINITION, WEIGHTS = 0, 1
"""Indexes of the two files of a pipeline."""

MAX_DEFINITION_BYTES = 1 << 20
"""As of any configuration."""


@dataclasses.dataclass(frozen=True, slots=True)
class PipelineFiles:
    """The files of a pipeline: its definition, and its weights if it has any."""

    definition: DeclaredFile
    weights: DeclaredFile | None = None

    @property
    def all(self) -> tuple[DeclaredFile, ...]:
        """By index."""
        return (self.definition,) if self.weights is None else (self.definition, self.weights)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PipelineUpload:
    """What a client is going to send, and where it is kept."""

    path: str
    files: PipelineFiles
    request_id: str = ""
    must_not_exist: bool = False
