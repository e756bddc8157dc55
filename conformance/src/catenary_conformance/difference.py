"""What changed from one report to another: requirement by requirement, and cell by cell."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from google.rpc import code_pb2

from catenary.conformance.v1 import report_pb2, verdict_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary.conformance.v1.report_pb2 import Report

_BAD = frozenset({verdict_pb2.VERDICT_FAIL, verdict_pb2.VERDICT_UNEXPECTED_PASS, verdict_pb2.VERDICT_INCONCLUSIVE})


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was."""

    subject: str
    before: str
    after: str
    worse: bool


def changes(before: Report, after: Report) -> list[Change]:
    """Everything that changed, what became worse first."""
    found = [*_requirements(before, after), *_cells(before, after), *_capabilities(before, after)]
    return sorted(found, key=lambda each: (not each.worse, each.subject))


def same_target(before: Report, after: Report) -> bool:
    """Whether both reports speak of servers that describe themselves alike."""
    return before.target.server_info_sha256 == after.target.server_info_sha256


def _requirements(before: Report, after: Report) -> list[Change]:
    old = {each.requirement_id: each.verdict for each in before.requirements}
    new = {each.requirement_id: each.verdict for each in after.requirements}
    names = verdict_pb2.Verdict
    return [
        Change(name, _verdict(old.get(name)), names.Name(verdict).removeprefix("VERDICT_"), worse=verdict in _BAD)
        for name, verdict in new.items()
        if old.get(name) != verdict
    ] + [Change(name, _verdict(verdict), "gone", worse=False) for name, verdict in old.items() if name not in new]


def _verdict(number: verdict_pb2.Verdict.ValueType | None) -> str:
    return "new" if number is None else verdict_pb2.Verdict.Name(number).removeprefix("VERDICT_")


def _cells(before: Report, after: Report) -> list[Change]:
    """Codes that an RPC answers now and did not, or the other way round; counts do not matter."""
    old, new = _reaches(before), _reaches(after)
    names, undeclared = report_pb2.StatusCell.Reach, report_pb2.StatusCell.REACH_UNDECLARED
    return [
        Change(subject, _reach(old.get(subject)), names.Name(reach).removeprefix("REACH_"), worse=reach == undeclared)
        for subject, reach in new.items()
        if old.get(subject) != reach
    ]


def _reaches(report: Report) -> Mapping[str, report_pb2.StatusCell.Reach.ValueType]:
    return {f"{each.method_name} {code_pb2.Code.Name(each.code)}": each.reach for each in report.status_cells}


def _reach(number: report_pb2.StatusCell.Reach.ValueType | None) -> str:
    return "new" if number is None else report_pb2.StatusCell.Reach.Name(number).removeprefix("REACH_")


def _capabilities(before: Report, after: Report) -> list[Change]:
    names = report_pb2.CapabilityResult.Standing
    broken = {report_pb2.CapabilityResult.STANDING_BROKEN, report_pb2.CapabilityResult.STANDING_UNCLAIMED}
    old = {each.capability_name: each.standing for each in before.capabilities}
    return [
        Change(
            f"capability {each.capability_name}",
            names.Name(old.get(each.capability_name, report_pb2.CapabilityResult.STANDING_UNSPECIFIED))[9:],
            names.Name(each.standing)[9:],
            worse=each.standing in broken,
        )
        for each in after.capabilities
        if old.get(each.capability_name) != each.standing
    ]
