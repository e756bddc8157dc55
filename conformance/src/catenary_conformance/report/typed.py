"""The report of a run as a message of `catenary.conformance.v1`."""

from __future__ import annotations

import hashlib
import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import catenary_conformance
from catenary.conformance.v1 import report_pb2, verdict_pb2
from catenary_conformance.contract import ANY_RPC
from catenary_conformance.report.transcripts import transcript
from catenary_conformance.unreachable import unreachable, unreachable_without
from catenary_conformance.verdict import (
    CaseResult,
    RequirementResult,
    Verdict,
    by_requirement,
    conformance,
    standings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import grpc

    from catenary_conformance.contract import Contract
    from catenary_conformance.findings import Findings

_TRANSCRIBED = frozenset({Verdict.FAIL, Verdict.KNOWN_FAIL, Verdict.INCONCLUSIVE})
_VOLATILE = ("start_time", "server_epoch")


def report_of(contract: Contract, findings: Findings) -> report_pb2.Report:
    """Everything that a run found out."""
    results = by_requirement(contract, findings.cases, findings.expected(contract))
    report = report_pb2.Report(
        run_nonce=findings.nonce,
        suite=_suite(contract),
        target=_target(findings),
        settings=_settings(findings),
        conformance=verdict_pb2.Conformance.ValueType(conformance(results).value),
        requirements=[_requirement(each) for each in results],
        status_cells=_cells(contract, findings),
        capabilities=_capabilities(contract, findings, results),
    )
    report.end_time.GetCurrentTime()
    report.start_time.FromNanoseconds(round(findings.start_time * 1e9))
    for each in findings.leaks:
        report.leaks.add(resource_kind=each.kind, resource_id=each.id, case_name=each.case)
    return report


def _suite(contract: Contract) -> report_pb2.Suite:
    version = importlib.metadata.version("catenary-conformance")
    return report_pb2.Suite(version=version, suite_sha256=suite_digest(), contract_sha256=contract.digest)


def suite_digest() -> bytes:
    """SHA-256 of the suite's own code and data."""
    root = Path(catenary_conformance.__file__).parent
    hashed = hashlib.sha256()
    for file in sorted(root.rglob("*")):
        if file.is_file() and file.suffix in {".py", ".toml", ".ini"}:
            hashed.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return hashed.digest()


def _target(findings: Findings) -> report_pb2.Target:
    found = report_pb2.Target(address=findings.address, claimed_capabilities=sorted(findings.claimed))
    info = findings.info
    if info is not None:
        steady = type(info)()
        steady.CopyFrom(info)
        for name in _VOLATILE:
            steady.ClearField(name)  # type: ignore[arg-type] # names of its fields
        for slots in (steady.limits.workers, steady.limits.training, steady.limits.streams, steady.limits.calls):
            slots.ClearField("used")
        for slots in (steady.limits.sessions.server, steady.limits.sessions.principal):
            slots.ClearField("used")
        for device in steady.devices:
            device.ClearField("memory_free_bytes")
        found.implementation_name, found.implementation_version = info.server_name, info.server_version
        found.server_info_sha256 = hashlib.sha256(steady.SerializeToString(deterministic=True)).digest()
    return found


def _settings(findings: Findings) -> report_pb2.Settings:
    plan = findings.plan
    found = report_pb2.Settings(
        seed=plan.seed,
        time_factor=findings.time_factor,
        destructive=plan.destructive,
        known_failures_sha256=findings.known_digest,
        profile=verdict_pb2.Profile.Value(f"PROFILE_{(plan.profile or 'unspecified').upper()}"),
    )
    found.budget.FromMilliseconds(round(plan.budget * 1000))
    found.round_trip_time.FromMicroseconds(round(findings.round_trip * 1e6))
    return found


def _requirement(result: RequirementResult) -> report_pb2.RequirementResult:
    requirement: Any = result.requirement
    return report_pb2.RequirementResult(
        requirement_id=requirement.id,
        level=requirement.level.value,
        subject_name=requirement.subject,
        verdict=verdict_pb2.Verdict.ValueType(result.verdict.value),
        cases=[_case(each) for each in result.cases],
    )


def _case(result: CaseResult) -> report_pb2.CaseResult:
    found = report_pb2.CaseResult(
        case_name=result.name,
        verdict=verdict_pb2.Verdict.ValueType(result.verdict.value),
        detail=result.detail if result.verdict is not Verdict.PASS else "",
        seed=result.seed,
        attempts=result.attempts,
    )
    found.duration.FromMilliseconds(round(result.seconds * 1000))
    if result.skip_reason is not None:
        found.skip_reason = verdict_pb2.SkipReason.ValueType(result.skip_reason.value)
    if result.verdict in _TRANSCRIBED:
        found.transcript.CopyFrom(transcript(result.calls))
    return found


def _cells(contract: Contract, findings: Findings) -> Iterator[report_pb2.StatusCell]:
    """Declared codes, and OK; and every code that was seen."""
    import grpc  # noqa: PLC0415 - at run time here only

    reasons, seen = {**unreachable(), **unreachable_without(findings.plan.options)}, findings.codes
    for path, method in contract.methods.items():
        codes = {*method.codes, grpc.StatusCode.OK, *(code for each, code in seen if each == path)}
        for code in sorted(codes, key=lambda each: int(each.value[0])):
            count = seen[path, code]
            yield report_pb2.StatusCell(
                method_name=method.full_name,
                code=code.value[0],
                reach=_reach(count, code, method.codes, reasons.get((path, code), "")),
                seen_count=count,
                unreachable_reason="" if count else reasons.get((path, code), ""),
            )


def _reach(count: int, code: grpc.StatusCode, declared: frozenset[grpc.StatusCode], reason: str) -> Any:  # noqa: ANN401 - an enum value
    cell = report_pb2.StatusCell
    if code not in declared | ANY_RPC:
        return cell.REACH_UNDECLARED
    if count:
        return cell.REACH_REACHED
    return cell.REACH_UNREACHABLE if reason else cell.REACH_NOT_REACHED


def _capabilities(
    contract: Contract, findings: Findings, results: Sequence[RequirementResult]
) -> Iterator[report_pb2.CapabilityResult]:
    for name, (standing, skipped) in standings(contract, results, findings.claimed).items():
        yield report_pb2.CapabilityResult(
            capability_name=name,
            standing=report_pb2.CapabilityResult.Standing.ValueType(standing.value),
            skipped_requirements=skipped,
        )
