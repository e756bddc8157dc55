"""Checks that what is checked in is what the protos generate."""

from __future__ import annotations

import tempfile
from pathlib import Path

from catenary_tools.generation import GENERATED, files_below, generate_into, prepare


def differences(root: Path) -> list[str]:
    """Generate everything again, aside, and return one line for each file of ``root`` that differs.

    Raises what ``generation.generate`` raises.
    """
    prepare(root)
    with tempfile.TemporaryDirectory() as folder:
        generate_into(root, Path(folder))
        return [line for place in GENERATED for line in compare(root / place, Path(folder) / place)]


def compare(present: Path, expected: Path) -> list[str]:
    """Return one line for each file below ``present`` that is missing, stale or different from ``expected``."""
    files, wanted = files_below(present), files_below(expected)
    missing = [f"{present / name}: missing" for name in wanted - files]
    stale = [f"{present / name}: nothing generates it" for name in files - wanted]
    changed = [
        f"{present / name}: differs from what is generated"
        for name in files & wanted
        if (present / name).read_bytes() != (expected / name).read_bytes()
    ]
    return sorted(missing + stale + changed)
