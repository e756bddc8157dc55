"""Cases that are generic over the contract: one test for every RPC, or for those that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary_conformance.contract import Contract, Method
from catenary_conformance.requirement import capability

if TYPE_CHECKING:
    from collections.abc import Callable

    from _pytest.mark.structures import ParameterSet


def every_method(where: Callable[[Method], object] = lambda _method: True) -> pytest.MarkDecorator:
    """Run a case for every RPC that fits, as its argument `method`; what the target does not claim is skipped."""
    return pytest.mark.parametrize(
        "method", [_parameter(each) for each in Contract.load().methods.values() if where(each)]
    )


def _parameter(method: Method) -> ParameterSet:
    return pytest.param(method, marks=capability(method.capability), id=method.full_name.removeprefix("catenary."))
