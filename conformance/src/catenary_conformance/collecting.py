"""Turns what pytest reports of each case into a result with a verdict, and tries again what only took too long."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
from _pytest.runner import runtestprotocol

from catenary_conformance import cases
from catenary_conformance.conversation import NotAnswered
from catenary_conformance.report.transcripts import transcript
from catenary_conformance.requirement import requirement_ids
from catenary_conformance.skipping import SkipReason, reason_of
from catenary_conformance.verdict import CaseResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from catenary_conformance.known_failing import KnownFailures
    from catenary_conformance.recording import CallRecord
    from catenary_conformance.run import Run

ROOT = Path(cases.__file__).parent
_NOT_APPLICABLE = frozenset({SkipReason.CAPABILITY_NOT_CLAIMED, SkipReason.NEEDS_ACCELERATOR})
_DETAIL_CHARACTERS = 4000


class _Attempt:
    """What one attempt at a case came to."""

    def __init__(self) -> None:
        self.error: pytest.ExceptionInfo[BaseException] | None = None
        self.calls: tuple[CallRecord, ...] = ()
        self.seconds = 0.0

    @property
    def skipped(self) -> bool:
        return self.error is not None and self.error.errisinstance(pytest.skip.Exception)

    @property
    def failed(self) -> bool:
        return self.error is not None and not self.skipped

    @property
    def timed_out(self) -> bool:
        """Whether it failed because the target was slow, as far as can be told."""
        if self.error is None or not self.failed:
            return False
        last = next((each.answer for each in reversed(self.calls) if each.answer is not None), None)
        late = last is not None and last.code is grpc.StatusCode.DEADLINE_EXCEEDED and not last.reason
        return late or self.error.errisinstance(NotAnswered)


class Collector:
    """Hooks that collect results.

    Attributes:
        results: of all cases that pytest came to, in the order in which they ended.
        listeners: called with each result.
        known_digest: SHA-256 of the list of known failures.
    """

    def __init__(self, run: Run, known: KnownFailures) -> None:
        self._run = run
        self._known = known
        self._attempt = _Attempt()
        self._today = dt.datetime.now(dt.UTC).date()
        self.known_digest = known.digest
        self.results: list[CaseResult] = []
        self.listeners: list[Callable[[CaseResult], None]] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Run a case; once more, if the target did not answer in time."""
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports, attempts = self._tried(item, nextitem), 1
        if self._attempt.timed_out and isinstance(item, pytest.Function) and self._run.seconds_left > 0:
            item._initrequest()  # noqa: SLF001 - how plugins that repeat a test give it fresh fixtures
            reports, attempts = self._tried(item, nextitem), 2
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        self._add(self._judged(item, attempts))
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep the first thing that went wrong, and the calls that led to it."""
        attempt = self._attempt
        attempt.seconds += call.duration
        if call.when != "teardown":
            attempt.calls = self._run.target.recorder.calls
        if call.excinfo is not None and attempt.error is None:
            attempt.error = call.excinfo
        report = yield
        report.user_properties += [("requirement", each) for each in requirement_ids(item) if call.when == "call"]
        return report

    def _tried(self, item: pytest.Item, nextitem: pytest.Item | None) -> list[pytest.TestReport]:
        self._attempt = _Attempt()
        return runtestprotocol(item, nextitem=nextitem, log=False)

    def _judged(self, item: pytest.Item, attempts: int) -> CaseResult:
        attempt, error = self._attempt, self._attempt.error
        verdict, reason, detail, ids = Verdict.PASS, None, "", requirement_ids(item)
        if error is not None and attempt.skipped:
            detail = str(error.value)
            reason = reason_of(detail)
            verdict = Verdict.NOT_APPLICABLE if reason in _NOT_APPLICABLE else Verdict.SKIPPED
        elif error is not None:
            verdict = Verdict.INCONCLUSIVE if attempt.timed_out else Verdict.FAIL
            detail = f"{error.exconly()}\n{error.getrepr(style='short').reprcrash}"[:_DETAIL_CHARACTERS]
            shown = getattr(error.value, "requirement_id", "")
            ids = (shown,) if shown else ids
        return CaseResult(
            name=case_name(item),
            requirement_ids=ids,
            capabilities=self._run.needed(item),
            verdict=verdict,
            seconds=attempt.seconds,
            skip_reason=reason,
            detail=detail,
            calls=attempt.calls if attempt.failed else (),
            seed=self._run.plan.seed,
            attempts=attempts,
        )

    def _add(self, result: CaseResult) -> None:
        result = with_known(result, self._known, self._today)
        self.results.append(result)
        for listener in self.listeners:
            listener(result)


def with_known(result: CaseResult, known: KnownFailures, today: dt.date) -> CaseResult:
    """A result in the light of the list of known failures."""
    if result.verdict is Verdict.FAIL:
        digest = transcript(result.calls).content_sha256.hex()
        entry = known.explaining(result, digest, today)
        if entry is not None:
            detail = f"known, {entry.owner} sees to it until {entry.expires}: {entry.reason}\n{result.detail}"
            return dataclasses.replace(result, verdict=Verdict.KNOWN_FAIL, detail=detail)
    if result.verdict is Verdict.PASS and (entry := known.expecting(result)) is not None:
        detail = f"the list of known failures says that it fails ({entry.reason}): take the entry out"
        return dataclasses.replace(result, verdict=Verdict.UNEXPECTED_PASS, detail=detail)
    return result


def case_name(item: pytest.Item) -> str:
    """Name of a case: its file below `cases`, and its function with the parameters."""
    try:
        place = item.path.relative_to(ROOT).as_posix()
    except ValueError:
        place = item.path.name
    return f"{place.removesuffix('.py')}::{item.name}"
