"""Which methods each case calls, as the good server shows; so a fault is tried on the cases that can see it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from catenary_conformance.faulty.messages import UNKNOWN_METHOD, methods
from catenary_conformance.faulty.trial import AREAS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from catenary_conformance.faulty.mutant import Mutant

NEARBY = "nearby"
"""Stands beside the areas for the cases that run through the Unix socket of the server."""
BEFORE = ""
"""Stands in place of a case's name for what is called before the first case."""


class Footprints:
    """The methods that cases call, by area; kept in a file, if one is named, as soon as an area is known."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._areas: dict[str, dict[str, list[str]]] = {}
        if file is not None and file.exists():
            self._areas = json.loads(file.read_text())

    @property
    def missing(self) -> list[str]:
        """Areas on which the good server has not been tried yet, `NEARBY` among them."""
        return [each for each in (*AREAS, NEARBY) if each not in self._areas]

    def add(self, area: str, touched: Mapping[str, frozenset[str]]) -> None:
        """Note what the cases of an area call."""
        self._areas[area] = {name: sorted(paths) for name, paths in touched.items()}
        if self._file is not None:
            self._file.write_text(json.dumps(self._areas))

    def cases_of(self, mutant: Mutant) -> list[str]:
        """Cases that call one of the mutant's methods; all, if a run of the suite itself calls one as it begins."""
        areas = [NEARBY] if mutant.near else [each for each in self._areas if each != NEARBY]
        calls = {name: paths for area in areas for name, paths in self._areas.get(area, {}).items()}
        found = [name for name, paths in calls.items() if {_known(each) for each in paths} & mutant.methods]
        return [each for each in (calls if BEFORE in found else found) if each != BEFORE]


def _known(method: str) -> str:
    """The path itself, or what stands for all that the contract does not have."""
    return method if method in methods() else UNKNOWN_METHOD
