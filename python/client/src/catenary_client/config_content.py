"""Configurations in the forms in which a program has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from catenary_client.results import ResolvedConfig

Config = ResolvedConfig | Mapping[str, Any] | bytes
"""A configuration: as `resolve` returned it, as nested mappings, or as JSON."""


def content_of(config: Config) -> bytes:
    """The configuration as JSON (UTF-8)."""
    match config:
        case ResolvedConfig():
            return config.content
        case bytes():
            return config
        case _:
            return json.dumps(config, sort_keys=True, separators=(",", ":")).encode()
