"""What a bench found out: tables for people, JSON for comparisons."""

from __future__ import annotations

import dataclasses
import json
import platform
import re
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULTS = Path(__file__).parent / "results"
"""Where saved reports lie, one for each bench and kind of machine."""


@dataclasses.dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should be: `value` at most `limit`, or at least."""

    name: str
    value: float
    limit: float
    at_most: bool = True

    @property
    def met(self) -> bool:
        """Whether it is."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def __str__(self) -> str:
        """One line for people."""
        sign = "<=" if self.at_most else ">="
        return f"{'met   ' if self.met else 'MISSED'}  {self.name}: {self.value:.4g} (goal {sign} {self.limit:g})"


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """Figures in rows under named columns; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | int, ...], ...]

    def __str__(self) -> str:
        """Aligned text."""
        cells = [self.columns, *(tuple(_cell(value) for value in row) for row in self.rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(self.columns))]
        lines = [
            "  ".join(
                text.ljust(width) if index == 0 else text.rjust(width) for index, (text, width) in enumerate(pairs)
            )
            for pairs in (tuple(zip(row, widths, strict=True)) for row in cells)
        ]
        return "\n".join([self.title, *lines])


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """Everything that one run of a bench measured."""

    name: str
    tables: tuple[Table, ...]
    goals: tuple[Goal, ...] = ()

    def __str__(self) -> str:
        """Tables and goals, one after the other."""
        goals = ["\n".join(str(goal) for goal in self.goals)] if self.goals else []
        return "\n\n".join([*(str(table) for table in self.tables), *goals])

    def save(self) -> Path:
        """Write the figures as JSON; a report of the same bench on the same kind of machine is replaced."""
        goals = [{**dataclasses.asdict(goal), "met": goal.met} for goal in self.goals]
        content = {
            "bench": self.name,
            "machine": machine(),
            "python": platform.python_version(),
            "tables": [dataclasses.asdict(table) for table in self.tables],
            "goals": goals,
        }
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}-{machine()}.json"
        path.write_text(json.dumps(content, indent=2) + "\n")
        return path


def machine() -> str:
    """The kind of machine, not its name: processor model and number of cores."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    words = re.findall(r"[a-z0-9]+", (model.group(1) if model else platform.machine()).lower())
    return "-".join([*words, f"{cpuinfo.count('processor')}x"])


def quantile(values: Sequence[float], share: float) -> float:
    """The value that a share of all values does not exceed, interpolated."""
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


def _cell(value: str | float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
