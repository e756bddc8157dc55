"""What the findings of a campaign come to: score, localisation and time, by area, and what is still to do."""

from __future__ import annotations

import itertools
import statistics
from typing import TYPE_CHECKING

from rich.table import Table

from catenary_conformance.faulty.registry import mutants

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from rich.console import Console

    from catenary_conformance.faulty.findings import Finding

TARGET_SCORE, TARGET_LOCALISATION = 0.95, 0.90
TARGET_SECONDS, TARGET_EVENTS = 10.0, 8
WHOLE_AREAS = frozenset({"ERR"})
"""Areas of which every mutant has to be caught."""


def reached(findings: Collection[Finding]) -> bool:
    """Whether every aim is: all live, score and localisation, whole areas, time and length of counterexamples."""
    caught = [each for each in findings if each.caught]
    whole = all(each.caught for each in findings if each.area in WHOLE_AREAS)
    return (
        whole
        and all(each.live for each in findings)
        and _share(len(caught), len(findings)) >= TARGET_SCORE
        and _share(sum(each.localised for each in caught), len(caught)) >= TARGET_LOCALISATION
        and _median([each.seconds for each in caught]) <= TARGET_SECONDS
        and _median(_events(caught)) <= TARGET_EVENTS
    )


def report(console: Console, findings: Collection[Finding]) -> None:
    """Print the measures by area; then what survived, was found elsewhere or does not count."""
    table = Table("area", "mutants", "live", "caught", "localised", "median s", "events", title="seeded faults")
    groups = itertools.groupby(sorted(findings, key=lambda each: each.area), key=lambda each: each.area)
    for area, group in groups:
        table.add_row(area, *_row(list(group)))
    table.add_section()
    table.add_row("all", *_row(list(findings)))
    console.print(table)
    for each in findings:
        for remark in _remarks(each):
            console.print(remark, soft_wrap=True)


def _remarks(finding: Finding) -> list[str]:
    """What is not as it ought to be with a finding."""
    found = [] if finding.live else [f"not seen by its witness: {finding.mutant}"]
    if not finding.case:
        known = mutants().get(finding.mutant)
        found.append(f"survived: {finding.mutant} ({finding.requirement}): {known.text if known else ''}")
    elif not finding.confirmed:
        found.append(f"fails on the good server too: {finding.case}, tried for {finding.mutant}")
    elif not finding.localised:
        found.append(f"found elsewhere: {finding.mutant}: {finding.case} {', '.join(finding.first_failing)}")
    return found


def _row(group: Sequence[Finding]) -> list[str]:
    caught = [each for each in group if each.caught]
    return [
        str(len(group)),
        _counted(sum(each.live for each in group), len(group)),
        _counted(len(caught), len(group)),
        _counted(sum(each.localised for each in caught), len(caught)),
        f"{_median([each.seconds for each in caught]):.1f}",
        f"{_median(_events(caught)):g}",
    ]


def _events(findings: Collection[Finding]) -> list[int]:
    return [each.events for each in findings if each.events is not None]


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0


def _counted(part: int, whole: int) -> str:
    return f"{part} ({_share(part, whole):.0%})"


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
