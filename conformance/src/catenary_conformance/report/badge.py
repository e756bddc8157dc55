"""A badge that says how a server stands: an SVG, and JSON for services that draw badges."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING

from catenary.conformance.v1 import verdict_pb2
from catenary.contract.v1 import options_pb2

if TYPE_CHECKING:
    from catenary.conformance.v1.report_pb2 import Report

LABEL = "catenary"
_COLOURS = {"conformant": "#1a7f37", "incomplete": "#9a6700", "nonconformant": "#cf222e"}
_CHARACTER_WIDTH, _PADDING = 6.6, 10


def message(report: Report) -> str:
    """`conformant`, `nonconformant: 3 of 217`, `incomplete: 12 not tried`."""
    must = [each.verdict for each in report.requirements if each.level == options_pb2.LEVEL_MUST]
    bad = sum(each in {verdict_pb2.VERDICT_FAIL, verdict_pb2.VERDICT_UNEXPECTED_PASS} for each in must)
    fine = sum(each in {verdict_pb2.VERDICT_PASS, verdict_pb2.VERDICT_NOT_APPLICABLE} for each in must)
    if report.conformance == verdict_pb2.CONFORMANCE_NONCONFORMANT:
        return f"nonconformant: {bad} of {len(must)}"
    if report.conformance == verdict_pb2.CONFORMANCE_INCOMPLETE:
        return f"incomplete: {len(must) - fine} not shown"
    return "conformant"


def endpoint(report: Report) -> str:
    """JSON in the form that badge services read from an address."""
    text = message(report)
    colour = _COLOURS[text.partition(":")[0]].lstrip("#")
    return json.dumps({"schemaVersion": 1, "label": LABEL, "message": text, "color": colour}) + "\n"


def svg(report: Report) -> str:
    """The badge as a picture."""
    text = message(report)
    colour = _COLOURS[text.partition(":")[0]]
    left = round(len(LABEL) * _CHARACTER_WIDTH + 2 * _PADDING)
    right = round(len(text) * _CHARACTER_WIDTH + 2 * _PADDING)
    label, shown = html.escape(LABEL), html.escape(text)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="{label}: {shown}"><title>{label}: {shown}</title>'
        f'<rect width="{left}" height="20" fill="#555"/><rect x="{left}" width="{right}" height="20" fill="{colour}"/>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2}" y="14">{label}</text><text x="{left + right / 2}" y="14">{shown}</text></g></svg>\n'
    )
