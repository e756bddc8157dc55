"""Writes everything that a run leaves behind into one folder."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from google.protobuf import json_format

from catenary.conformance.v1 import report_pb2
from catenary_conformance.report import badge, junit, matrix
from catenary_conformance.report.transcripts import SUFFIX, grpcurl, told, transcript

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from catenary.conformance.v1.report_pb2 import Report
    from catenary_conformance.contract import Contract
    from catenary_conformance.verdict import CaseResult

REPORT = "report.json"
TRANSCRIPTS = "transcripts"
_NAME_CHARACTERS = 120


def write(folder: Path, contract: Contract, report: Report, cases: Sequence[CaseResult]) -> None:
    """Write report, pages, badge and transcripts; transcripts of an earlier run are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / REPORT).write_text(json_format.MessageToJson(report), encoding="utf-8")
    (folder / "junit.xml").write_text(junit.document(cases), encoding="utf-8")
    (folder / "matrix.md").write_text(matrix.markdown(contract, report), encoding="utf-8")
    (folder / "matrix.html").write_text(matrix.page(contract, report), encoding="utf-8")
    (folder / "badge.svg").write_text(badge.svg(report), encoding="utf-8")
    (folder / "badge.json").write_text(badge.endpoint(report), encoding="utf-8")
    _write_transcripts(folder / TRANSCRIPTS, contract, report.target.address, cases)


def read(file: Path) -> Report:
    """A report that was written earlier: the file, or the folder that it is in.

    Raises:
        OSError: there is none.
        ValueError: it is none.
    """
    path = file / REPORT if file.is_dir() else file
    try:
        return json_format.Parse(path.read_text(encoding="utf-8"), report_pb2.Report())
    except json_format.ParseError as error:
        raise ValueError(f"{path} is no report of this suite: {error}") from error


def transcript_name(case: str) -> str:
    """Name of the file of a case's transcript."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", case)[:_NAME_CHARACTERS].strip("-") + SUFFIX


def _write_transcripts(folder: Path, contract: Contract, address: str, cases: Sequence[CaseResult]) -> None:
    folder.mkdir(exist_ok=True)
    for old in [*folder.glob(f"*{SUFFIX}"), *folder.glob("*.txt")]:
        old.unlink()
    for case in cases:
        if not case.calls:
            continue
        file = folder / transcript_name(case.name)
        written = transcript(case.calls, str(file))
        file.write_text(json_format.MessageToJson(written), encoding="utf-8")
        commands = [line for call in written.calls if (line := grpcurl(contract, call, address))]
        text = "\n".join([case.name, case.detail, told(contract, written), "", written.replay_command, *commands])
        file.with_name(file.name.removesuffix(SUFFIX) + ".txt").write_text(text + "\n", encoding="utf-8")
