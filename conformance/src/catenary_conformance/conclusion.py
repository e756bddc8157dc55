"""The end of a run: the report, and what the exit status is."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from google.rpc import code_pb2

from catenary.conformance.v1 import report_pb2
from catenary_conformance.report.typed import report_of
from catenary_conformance.verdict import Conformance, blamed, by_requirement

if TYPE_CHECKING:
    from catenary.conformance.v1.report_pb2 import Report
    from catenary_conformance.contract import Contract
    from catenary_conformance.findings import Findings
    from catenary_conformance.verdict import CaseResult, RequirementResult

CONFORMANT = 0
"""Nothing failed. What was left out by choice is in the report, which then says `incomplete`."""
NOT_CONFORMANT = 1
USAGE = 2
UNREACHABLE = 3
INTERRUPTED = 130


@dataclasses.dataclass(frozen=True, slots=True)
class Conclusion:
    """What a run came to."""

    report: Report
    requirements: tuple[RequirementResult, ...]
    cases: tuple[CaseResult, ...]

    @property
    def conformance(self) -> Conformance:
        """Whether the target conforms."""
        return Conformance(self.report.conformance)

    @property
    def exit_status(self) -> int:
        """0 unless something failed, or the target did not answer in time."""
        return NOT_CONFORMANT if blamed(self.requirements) or not self.cases else CONFORMANT

    @property
    def unreached(self) -> tuple[str, ...]:
        """Codes that an RPC declares, that it did not answer, and that no list gives a reason for."""
        return tuple(
            f"{each.method_name} {code_pb2.Code.Name(each.code)}"
            for each in self.report.status_cells
            if each.reach == report_pb2.StatusCell.REACH_NOT_REACHED
        )

    @property
    def complete(self) -> bool:
        """Whether everything was tried and reached, and nothing left behind."""
        return self.conformance is Conformance.CONFORMANT and not self.unreached and not self.report.leaks


def concluded(contract: Contract, findings: Findings) -> Conclusion:
    """What a run came to, after it has finished."""
    requirements = by_requirement(contract, findings.cases, findings.expected(contract))
    return Conclusion(report_of(contract, findings), tuple(requirements), findings.cases)
