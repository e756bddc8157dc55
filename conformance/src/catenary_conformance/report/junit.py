"""Results as JUnit XML, which most build systems read."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from catenary_conformance.verdict import BAD, CaseResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SKIPPED = frozenset({Verdict.SKIPPED, Verdict.NOT_APPLICABLE, Verdict.KNOWN_FAIL})


def document(cases: Sequence[CaseResult]) -> str:
    """The cases as one suite. Names are unique; the requirement ids are properties of each case."""
    suite = ET.Element(
        "testsuite",
        name="catenary-conformance",
        tests=str(len(cases)),
        failures=str(sum(each.verdict in BAD for each in cases)),
        errors=str(sum(each.verdict is Verdict.INCONCLUSIVE for each in cases)),
        skipped=str(sum(each.verdict in _SKIPPED for each in cases)),
        time=f"{sum(each.seconds for each in cases):.3f}",
    )
    for each in cases:
        _add(suite, each)
    root = ET.Element("testsuites")
    root.append(suite)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add(suite: ET.Element, result: CaseResult) -> None:
    place, _, function = result.name.partition("::")
    case = ET.SubElement(
        suite, "testcase", classname=_clean(place), name=_clean(function), time=f"{result.seconds:.3f}"
    )
    properties = ET.SubElement(case, "properties")
    for identity in result.requirement_ids:
        ET.SubElement(properties, "property", name="requirement", value=identity)
    detail = _clean(result.detail)
    line = detail.partition("\n")[0]
    if result.verdict in BAD:
        ET.SubElement(case, "failure", message=line, type=result.verdict.name).text = detail
    elif result.verdict is Verdict.INCONCLUSIVE:
        ET.SubElement(case, "error", message=line, type=result.verdict.name).text = detail
    elif result.verdict in _SKIPPED:
        ET.SubElement(case, "skipped", message=line)


def _clean(text: str) -> str:
    """Text without what XML cannot hold."""
    return _FORBIDDEN.sub("?", text)
