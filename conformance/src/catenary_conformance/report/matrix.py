"""The report as a page: requirement by verdict, RPC by status code. As HTML, and as Markdown."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from google.rpc import code_pb2

from catenary.conformance.v1 import report_pb2, verdict_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catenary.conformance.v1.report_pb2 import Report
    from catenary_conformance.contract import Contract

Rows = list[list[str]]

_MARKS = {
    1: "pass",
    2: "FAIL",
    3: "known fail",
    4: "UNEXPECTED PASS",
    5: "skipped",
    6: "not applicable",
    7: "inconclusive",
}
UNREACHED = frozenset({report_pb2.StatusCell.REACH_NOT_REACHED, report_pb2.StatusCell.REACH_UNREACHABLE})
_REACHES = {1: "{count}", 2: "not reached", 3: "unreachable", 4: "UNDECLARED {count}"}
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; width: 100%; }
th, td { border: 1px solid #8884; padding: .25rem .5rem; text-align: left; vertical-align: top; }
th { position: sticky; top: 0; background: Canvas; }
.pass, .proven, .conformant { color: #1a7f37; }
.fail, .broken, .undeclared, .unexpected, .nonconformant { color: #cf222e; font-weight: 600; }
.skipped, .not, .unproven, .inconclusive, .known, .incomplete, .unreachable { color: #9a6700; }
code { font-size: .9em; } details pre { overflow-x: auto; }
"""


def conformance_word(report: Report) -> str:
    """`conformant`, `incomplete` or `nonconformant`."""
    return verdict_pb2.Conformance.Name(report.conformance).removeprefix("CONFORMANCE_").lower()


def markdown(contract: Contract, report: Report) -> str:
    """The report as Markdown."""
    parts = [f"# {report.target.implementation_name or report.target.address}: {conformance_word(report)}", ""]
    parts += [f"- {name}: {value}" for name, value in facts(report).items()]
    for title, rows in _tables(contract, report).items():
        parts += ["", f"## {title}", "", *_markdown_table(rows)]
    return "\n".join(parts) + "\n"


def page(contract: Contract, report: Report) -> str:
    """The report as one HTML page that needs nothing else."""
    word = conformance_word(report)
    name = html.escape(report.target.implementation_name or report.target.address)
    listed = "".join(
        f"<li>{html.escape(key)}: <code>{html.escape(value)}</code></li>" for key, value in facts(report).items()
    )
    tables = "".join(
        f"<h2>{html.escape(title)}</h2>{_html_table(rows)}" for title, rows in _tables(contract, report).items()
    )
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{name}: {word}</title>'
    body = f'<h1>{name}: <span class="{word}">{word}</span></h1><ul>{listed}</ul>{tables}{_failures(report)}'
    return f'<!doctype html><html lang="en"><head>{head}<style>{_STYLE}</style></head><body>{body}</body></html>'


def facts(report: Report) -> Mapping[str, str]:
    """Who was tested by what."""
    target, suite, settings = report.target, report.suite, report.settings
    return {
        "target": f"{target.implementation_name} {target.implementation_version} at {target.address}".strip(),
        "suite": f"{suite.version} ({suite.suite_sha256.hex()[:16]})",
        "contract": suite.contract_sha256.hex()[:16],
        "when": report.start_time.ToJsonString(),
        "took": f"{(report.end_time.ToMilliseconds() - report.start_time.ToMilliseconds()) / 1000:.1f} s",
        "seed": str(settings.seed),
        "round trip": f"{settings.round_trip_time.ToMicroseconds() / 1000:.2f} ms",
        "capabilities claimed": ", ".join(target.claimed_capabilities) or "none",
        "left behind": ", ".join(f"{each.resource_kind} {each.resource_id}" for each in report.leaks) or "nothing",
    }


def _tables(contract: Contract, report: Report) -> Mapping[str, Rows]:
    return {
        "Capabilities": _capabilities(report),
        "Requirements": _requirements(contract, report),
        "RPCs and status codes": _cells(report),
        "Codes that were not reached": _unreached(report),
    }


def _capabilities(report: Report) -> Rows:
    names = report_pb2.CapabilityResult.Standing
    rows = [["capability", "standing", "requirements not tried"]]
    for each in report.capabilities:
        standing = names.Name(each.standing).removeprefix("STANDING_").lower()
        rows.append([each.capability_name, standing, str(each.skipped_requirements or "")])
    return rows


def _requirements(contract: Contract, report: Report) -> Rows:
    rows = [["requirement", "level", "verdict", "cases", "text"]]
    for each in report.requirements:
        requirement = contract.requirements[each.requirement_id]
        rows.append(
            [each.requirement_id, requirement.level.name, _MARKS[each.verdict], str(len(each.cases)), requirement.text]
        )
    return rows


def _cells(report: Report) -> Rows:
    codes = sorted({each.code for each in report.status_cells})
    rows = [["RPC", *(code_pb2.Code.Name(code) for code in codes)]]
    by_method: dict[str, dict[int, str]] = {}
    for each in report.status_cells:
        by_method.setdefault(each.method_name, {})[each.code] = _REACHES[each.reach].format(count=each.seen_count)
    for name, found in by_method.items():
        rows.append([name.removeprefix("catenary."), *(found.get(code, "") for code in codes)])
    return rows


def _unreached(report: Report) -> Rows:
    rows = [["RPC", "code", "why"]]
    for each in report.status_cells:
        if each.reach in UNREACHED:
            why = each.unreachable_reason or "no case brought it about"
            rows.append([each.method_name.removeprefix("catenary."), code_pb2.Code.Name(each.code), why])
    return rows


def _failures(report: Report) -> str:
    shown: dict[str, str] = {}
    for requirement in report.requirements:
        for case in requirement.cases:
            if case.verdict in {
                verdict_pb2.VERDICT_FAIL,
                verdict_pb2.VERDICT_UNEXPECTED_PASS,
                verdict_pb2.VERDICT_INCONCLUSIVE,
            }:
                shown[case.case_name] = case.detail
    if not shown:
        return ""
    found = "".join(
        f"<details><summary><code>{html.escape(name)}</code></summary><pre>{html.escape(detail)}</pre></details>"
        for name, detail in shown.items()
    )
    return f"<h2>Failures</h2>{found}"


def _html_table(rows: Rows) -> str:
    head = "".join(f"<th>{html.escape(each)}</th>" for each in rows[0])
    body = "".join("<tr>" + "".join(_html_cell(each) for each in row) + "</tr>" for row in rows[1:])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _html_cell(text: str) -> str:
    kind = text.split(" ", 1)[0].lower()
    marked = f' class="{kind}"' if kind in _STYLE and kind.isalpha() else ""
    return f"<td{marked}>{html.escape(text)}</td>"


def _markdown_table(rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(each.replace("|", "\\|") for each in row) + " |" for row in rows]
    return [lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]
