"""How pytest runs the cases: in which order, which not, and what is checked after each."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from hypothesis import HealthCheck, Verbosity, settings

from catenary_conformance import intensity
from catenary_conformance.answer import WrongAnswer
from catenary_conformance.collecting import case_name
from catenary_conformance.conclusion import UNREACHABLE
from catenary_conformance.contract import ANY_RPC
from catenary_conformance.requirement import is_random, requirement_ids
from catenary_conformance.skipping import skip
from catenary_conformance.target import TargetUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from catenary_conformance.answer import Answer
    from catenary_conformance.contract import Contract
    from catenary_conformance.run import Run

PROFILE = "conformance"
NEVER = frozenset({"UNKNOWN", "INTERNAL"})
"""Codes that no RPC may answer: they say that the server has a defect."""


class UndeclaredCode(WrongAnswer):
    """The target answered a code that the contract does not allow it."""

    requirement_id = "CAT-ERR-006"


def check_code(contract: Contract, answer: Answer) -> None:
    """See that the contract allows an RPC the code that it answered.

    Raises:
        UndeclaredCode: it does not.
    """
    method = contract.methods.get(answer.path)
    allowed = ANY_RPC if method is None else method.allowed
    if answer.code not in allowed or answer.code.name in NEVER:
        raise UndeclaredCode(f"{answer}: the contract has no such answer of it")


class Execution:
    """Hooks of a run with a target."""

    def __init__(self, run: Run) -> None:
        self._run = run
        # No deadlines of Hypothesis: how long an example takes says how far away the target is.
        settings.register_profile(
            PROFILE,
            deadline=None,
            database=None,
            derandomize=False,
            print_blob=False,
            max_examples=20,
            report_multiple_bugs=False,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )
        settings.load_profile(PROFILE)
        intensity.set_budget(run.plan.budget)

    def pytest_sessionstart(self) -> None:
        """Reach the target."""
        try:
            self._run.start()
        except TargetUnreachable as error:
            pytest.exit(str(error), returncode=UNREACHABLE)

    def pytest_sessionfinish(self) -> None:
        """Leave nothing behind."""
        self._run.finish()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Enumerated cases first, random ones behind them, slow ones last; and seed the random ones."""
        wanted = [item for item in items if self._run.plan.wants(case_name(item), requirement_ids(item))]
        left_out = [item for item in items if item not in set(wanted)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = wanted
        items.sort(key=lambda item: (item.get_closest_marker("slow") is not None, is_random(item)))
        for item in items:
            if is_random(item):
                self._prepare(item)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip what is not to be tried; start to record the rest."""
        reason = self._run.skip_reason(item)
        if reason is not None:
            skip(*reason)
        self._run.target.recorder.begin_case(item.nodeid)
        self._run.janitor.begin_case(item.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:  # noqa: ARG002 - named by pytest
        """After a case that passed, look at the codes that it saw."""
        yield
        self._check_codes()

    def _check_codes(self) -> None:
        for answer in self._run.target.recorder.answers:
            check_code(self._run.contract, answer)

    def _prepare(self, item: pytest.Item) -> None:
        """Have a random case draw by the run's seed, and tell the recorder of each example."""
        function: Any = getattr(item, "obj", None)
        function = getattr(function, "__func__", function)
        hypothesis.seed(zlib.crc32(item.nodeid.encode()) ^ self._run.plan.seed)(function)
        handle = function.hypothesis
        if not hasattr(handle.inner_test, "records_examples"):
            handle.inner_test = self._recorded(handle.inner_test)

    def _recorded(self, test: Callable[..., object]) -> Callable[..., object]:
        def example(*args: object, **kwargs: object) -> object:
            self._run.target.begin_example()
            return test(*args, **kwargs)

        example.records_examples = True  # type: ignore[attr-defined] # a function takes attributes
        return example
