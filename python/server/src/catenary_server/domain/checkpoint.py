"""The state of a gradient run between two epochs, from which it can be taken up again."""

from __future__ import annotations

import dataclasses
from typing import Literal

CHECKPOINT_FOLDER = "checkpoints"
"""Folder below a run's `output_dir`."""

CHECKPOINT_SUFFIX = ".safetensors"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a run wants kept; a later one of the same name takes its place."""

    name: Literal["last", "best"]
    epochs_done: int
    content: memoryview
    """Safetensors bytes: a file of weights with more in it, so that it also serves as weights."""
