"""Tries the suite on a server with one fault: which cases ran, which failed first, and how soon."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from catenary_conformance.collecting import ROOT, case_name
from catenary_conformance.contract import Contract
from catenary_conformance.faulty.good_server import good_server
from catenary_conformance.faulty.plugins import PLUGIN
from catenary_conformance.faulty.proxy import Proxy
from catenary_conformance.faulty.stand import Stand
from catenary_conformance.inprocess import run_pytest
from catenary_conformance.plugin import COLLECTOR, RUN
from catenary_conformance.requirement import requirement_ids
from catenary_conformance.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Mapping
    from types import TracebackType

    Wanted = Callable[[pytest.Item], bool]

    from catenary_conformance.faulty.mutant import Mutant, Witness
    from catenary_conformance.recording import CallRecord
    from catenary_conformance.verdict import CaseResult

CAUGHT = frozenset({Verdict.FAIL, Verdict.INCONCLUSIVE})
"""Verdicts by which a fault counts as caught: wrong, or not answered in time although asked twice."""
AREAS = ("SES", "CFG", "PIP", "DAT", "DIS", "INF", "TRN", "PRF", "PLG", "TEL", "ERR")
"""The order in which cases are tried: what others stand on comes first."""
_OF_THE_CLIENT = frozenset({"sent", "half_close", "cancel", "drop"})
_CASE_SECONDS = 60
_HOURS = 1e5  # seconds; a trial is bounded by its first failure, not by a budget


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of the suite on one server.

    Attributes:
        cases: how many ran to a verdict.
        failed: name of the first case that failed; empty if none did.
        requirements: ids that this case decides, or that the failure itself names.
        detail: what was expected and what was seen.
        seconds: from the start of the first case to the failure, shrinking included.
        touched: methods that each case called; of good runs only.
        events: what the client did on streams in the transcript of the failure; None if it has none.
    """

    cases: int
    failed: str
    requirements: tuple[str, ...]
    detail: str
    seconds: float
    touched: Mapping[str, frozenset[str]]
    events: int | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How the good server and the suite are set up.

    Attributes:
        configs: the server's root of configurations.
        plugins: folder of installed plugins.
        time_factor: what every deadline of the suite is multiplied by.
    """

    configs: Path
    plugins: Path | None = None
    time_factor: float = 1.0


class Trials:
    """A good server with proxies before it, within a `with` block."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._stack = ExitStack()
        self._case = ""
        self._touched: dict[str, set[str]] = {}
        self._seen: dict[Witness, object] = {}  # by witnesses, on the good server

    def __enter__(self) -> Self:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        server = good_server(folder, configs=self._setting.configs, plugins=self._setting.plugins)
        self._server = self._stack.enter_context(server)
        self._proxy = self._stack.enter_context(Proxy(self._server.address, heard=self._hear))
        near = f"unix:{folder}/near"
        self._near = self._stack.enter_context(Proxy(self._server.socket, listen=near, heard=self._hear))
        stand = Stand(self._server, proxy=self._proxy.address, near_proxy=near)
        self.stand = self._stack.enter_context(stand)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def good(self, area: str) -> Result:
        """Run the cases of an area on the good server; stops at the first failure."""
        return self._run(None, near=False, wanted=lambda item: _place(_first(item))[0] == AREAS.index(area))

    def good_nearby(self, requirements: Collection[str]) -> Result:
        """Run the cases of some requirements through the Unix socket of the good server; stops at the first failure."""
        return self._run(None, near=True, wanted=lambda item: bool({*requirement_ids(item)} & {*requirements}))

    def with_fault(self, mutant: Mutant, names: Collection[str]) -> Result:
        """Run the cases of these names on the server with a fault.

        Those of the mutant's own area come first, as if that area alone were tried, then the others; the first failure
        ends it.
        """
        chosen = set(names)
        files = {ROOT / f"{name.split('::')[0]}.py" for name in chosen}
        return self._run(
            mutant, near=mutant.near, wanted=lambda item: case_name(item) in chosen, files=files, area=mutant.area
        )

    def passes(self, name: str, *, near: bool) -> bool:
        """Whether a case passes on the good server."""
        file = ROOT / f"{name.split('::', maxsplit=1)[0]}.py"
        return not self._run(None, near=near, wanted=lambda item: case_name(item) == name, files=[file]).failed

    def is_live(self, mutant: Mutant) -> bool:
        """Whether the witness of a fault sees something else than on the good server, or cannot go on."""
        if mutant.witness not in self._seen:
            self._seen[mutant.witness] = self._witness(None, mutant)
        try:
            return self._witness(mutant, mutant) != self._seen[mutant.witness]
        except AssertionError:
            return True

    def _witness(self, active: Mutant | None, mutant: Mutant) -> object:
        self._activate(active)
        try:
            return mutant.witness(self.stand)
        finally:
            self._activate(None)
            self.stand.clear()

    def _activate(self, mutant: Mutant | None) -> None:
        self._proxy.activate(mutant)
        self._near.activate(mutant)

    def _hear(self, method: str) -> None:
        self._touched.setdefault(self._case, set()).add(method)

    def _run(
        self,
        mutant: Mutant | None,
        *,
        near: bool,
        wanted: Wanted,
        files: Collection[Path] = (),
        area: str = "",
    ) -> Result:
        self._touched, self._case = {}, ""
        address = self._near.address if near else self._proxy.address
        watch = _Watch(self, wanted, area)
        self._activate(mutant)
        try:
            run_pytest([*self._arguments(address), *map(str, sorted(files))], [watch], everything=not files)
        finally:
            self._activate(None)
            self.stand.clear()
        first = watch.failed
        return Result(
            cases=watch.cases,
            failed=first.name if first else "",
            requirements=first.requirement_ids if first else (),
            detail=first.detail[:500] if first else "",
            seconds=watch.seconds,
            touched={} if mutant else {name: frozenset(paths) for name, paths in self._touched.items()},
            events=_events(first.calls) if first else None,
        )

    def _arguments(self, address: str) -> list[str]:
        server = self._server
        tokens = ["--token", server.alice, "--second-token", server.bob, "--low-token", server.low]
        plugin = ["--plugin", PLUGIN] if self._setting.plugins else []
        # Threads of the proxy may end in errors when a case cuts its calls; that says nothing about the case.
        quiet = ["-p", "no:threadexception", "-p", "no:unraisableexception", f"--timeout={_CASE_SECONDS}"]
        return [
            "--target",
            address,
            *tokens,
            *plugin,
            f"--time-factor={self._setting.time_factor}",
            "--destructive",
            *quiet,
        ]


class _Watch:
    """Hooks of one run: choose and order the cases, stop at the first failure."""

    def __init__(self, trials: Trials, wanted: Wanted, area: str) -> None:
        self._trials = trials
        self._wanted = wanted
        self._area = area
        self._began = time.monotonic()
        self.cases = 0
        self.seconds = 0.0
        self.failed: CaseResult | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Take away the budget, and listen to results."""
        run = session.config.stash[RUN]
        run.plan = dataclasses.replace(run.plan, budget=_HOURS)
        session.config.stash[COLLECTOR].listeners.append(lambda result: self._note(session, result))

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None]:
        """Choose and order the cases."""
        yield
        items[:] = sorted(filter(self._wanted, items), key=lambda item: _rank(item, self._area))
        self._began = time.monotonic()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note which case makes the calls from now on."""
        file, _, name = nodeid.partition("::")
        place = file.rpartition("cases/")[2].removesuffix(".py")
        self._trials._case = f"{place}::{name}"  # noqa: SLF001 - its own watch

    def _note(self, session: pytest.Session, result: CaseResult) -> None:
        # Also what was called for several cases at once, before this one.
        for call in session.config.stash[RUN].target.recorder.calls:
            self._trials._hear(call.path)  # noqa: SLF001 - its own watch
        self.cases += result.verdict not in (Verdict.SKIPPED, Verdict.NOT_APPLICABLE)
        if result.verdict in CAUGHT:
            self.failed = result
            self.seconds = time.monotonic() - self._began
            session.shouldstop = "a case has failed"


def _rank(item: pytest.Item, area: str) -> tuple[bool, bool, bool, tuple[int, str]]:
    """Place of a case: the area first; then, as in every run, enumerated, random and slow ones; by requirement."""
    random = bool(getattr(getattr(item, "obj", None), "is_hypothesis_test", False))
    foreign = area not in {each.split("-")[1] for each in requirement_ids(item)}
    return foreign, item.get_closest_marker("slow") is not None, random, _place(_first(item, area))


def _first(item: pytest.Item, area: str = "") -> str:
    """The first of a case's requirements, those of the area before others."""
    ids = requirement_ids(item)
    own = [each for each in ids if each.split("-")[1] == area]
    return min(own or ids, default="CAT-ERR-999", key=_place)


def _place(requirement: str) -> tuple[int, str]:
    return AREAS.index(requirement.split("-")[1]), requirement


def _events(calls: Iterable[CallRecord]) -> int | None:
    """What the client did on streams: messages sent, half-closes, cancels and cut connections."""
    contract = Contract.load()
    streams = [
        each
        for each in calls
        if (method := contract.methods.get(each.path)) and (method.client_streaming or method.server_streaming)
    ]
    if not streams:
        return None
    return sum(event.kind in _OF_THE_CLIENT for each in streams for event in each.events)
