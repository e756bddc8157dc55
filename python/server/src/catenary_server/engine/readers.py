"""The formats of scene files that data configurations may name."""

from __future__ import annotations

import catenary_scenes
from catenary_server.domain.runtime import DataReader


def list_readers() -> tuple[DataReader, ...]:
    """The formats of scene files, and what is missing for some of them."""
    return tuple(
        DataReader(
            suffix=reader.suffix,
            missing_requirement=reader.missing_requirement,
            processing_modes=tuple(mode.value for mode in reader.processing_modes),
            default_processing_mode=reader.default_processing_mode.value,
        )
        for reader in catenary_scenes.list_readers()
    )
