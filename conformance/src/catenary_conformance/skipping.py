"""Why a case is not tried.

A case that finds that it cannot be tried calls `skip`; the rest is decided before it runs.
"""

from __future__ import annotations

import enum
from typing import NoReturn

import pytest


class SkipReason(enum.Enum):
    """Why a case was not tried; named as in `catenary.conformance.v1.SkipReason`."""

    CAPABILITY_NOT_CLAIMED = 1
    DESTRUCTIVE = 2
    BUDGET = 3
    NEEDS_ACCELERATOR = 4
    NEEDS_SECOND_PRINCIPAL = 5
    PREREQUISITE_FAILED = 6


def skip(reason: SkipReason, text: str) -> NoReturn:
    """Do not try the case, and say why; never a pass."""
    pytest.skip(f"{reason.name}: {text}")


def reason_of(text: str) -> SkipReason:
    """The reason that a skipped case gave; one that gave none built on something that was not there."""
    name = text.removeprefix("Skipped: ").partition(":")[0]
    return SkipReason.__members__.get(name, SkipReason.PREREQUISITE_FAILED)
