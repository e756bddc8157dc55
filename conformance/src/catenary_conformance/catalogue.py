"""Which cases there are, and which requirements they decide: found by collecting them, without a target."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from catenary_conformance.collecting import case_name
from catenary_conformance.inprocess import run_pytest
from catenary_conformance.requirement import requirement_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """One case."""

    name: str
    requirement_ids: tuple[str, ...]
    marks: frozenset[str]


class _Collection:
    def __init__(self) -> None:
        self.cases: list[Case] = []
        self.errors: list[str] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            marks = frozenset(mark.name for mark in item.iter_markers())
            self.cases.append(Case(case_name(item), requirement_ids(item), marks))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.errors.append(f"{report.nodeid}: {report.longreprtext}")


@functools.cache
def all_cases() -> Sequence[Case]:
    """Every case of the suite.

    Raises:
        RuntimeError: a file of cases cannot be read.
    """
    collection = _Collection()
    run_pytest(["--collect-only"], [collection])
    if collection.errors:
        raise RuntimeError("\n".join(collection.errors))
    return tuple(collection.cases)
