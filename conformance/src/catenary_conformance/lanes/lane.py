"""The process of a lane: collects all cases, and runs those that it is given."""

from __future__ import annotations

import itertools
import signal
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from catenary_conformance.lanes.dealing import groups_of
from catenary_conformance.lanes.messages import Began, Broken, Collected, Ended, Finished, Ready
from catenary_conformance.plugin import COLLECTOR, RUN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection
    from types import FrameType

    from catenary_conformance.collecting import Collector
    from catenary_conformance.lanes.messages import Go, Group
    from catenary_conformance.run import Run
    from catenary_conformance.verdict import CaseResult


def serve(connection: Connection) -> None:
    """What the process does: wait for the word to go, run the cases that it is given, tell what came of them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a key pressed at the terminal is for the process that started it
    signal.signal(signal.SIGTERM, _interrupted)
    from catenary_conformance.inprocess import run_pytest  # noqa: PLC0415 - not in the process that starts lanes
    from catenary_conformance.lanes import preloaded  # noqa: F401, PLC0415 - while the target may still be starting

    share = Share(connection)
    try:
        word: Go = connection.recv()
        status = run_pytest(word.arguments, [share])
    except (KeyboardInterrupt, EOFError):
        status = pytest.ExitCode.INTERRUPTED
    share.finish(status)


class Share:
    """Hooks that have pytest run the cases of this lane, and tell of them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._elsewhere: _Elsewhere | None = None
        self._run: Run | None = None
        self._collector: Collector | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Listen to the results."""
        self._run, self._collector = config.stash.get(RUN, None), config.stash.get(COLLECTOR, None)
        if self._collector is not None:
            self._collector.listeners.append(self._ended)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Tell why a file of cases cannot be read."""
        if report.failed:
            self._tell(Broken(f"{report.nodeid}: {report.longreprtext}"))

    def pytest_internalerror(self, excrepr: object) -> None:
        """Tell what went wrong in pytest or in a plugin."""
        self._tell(Broken(str(excrepr)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run what is given."""
        if session.testsfailed:
            raise session.Interrupted("a file of cases cannot be read")
        self._elsewhere = _Elsewhere(session.items)
        self._tell(Collected(groups_of(session.items)))
        while (group := self._given()) is not None:
            self._run_group(session, group)
        return True

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Tell which case runs."""
        self._tell(Began(nodeid.rpartition("/")[2]))

    def finish(self, status: int) -> None:
        """Tell that all has ended, and what was found out."""
        from catenary_conformance.findings import findings_of  # noqa: PLC0415 - when there are any

        run = self._run
        found = None
        if run is not None and self._collector is not None:
            run.finish()
            found = findings_of(run, (), self._collector.known_digest)
        try:
            self._connection.send(Finished(int(status), run.unreachable if run is not None else "", found))
        except OSError:
            return  # nobody is there to be told
        finally:
            self._connection.close()

    def _run_group(self, session: pytest.Session, group: Group) -> None:
        chosen = session.items[group.start : group.end]
        # What all cases share stays for the next group; what the file shares goes.
        for item, following in zip(chosen, [*chosen[1:], self._elsewhere], strict=True):
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)

    def _given(self) -> Group | None:
        self._tell(Ready())
        try:
            found: Group | None = self._connection.recv()
        except EOFError:
            raise KeyboardInterrupt from None
        return found

    def _ended(self, result: CaseResult) -> None:
        self._tell(Ended(result))

    def _tell(self, message: object) -> None:
        try:
            self._connection.send(message)
        except OSError:
            raise KeyboardInterrupt from None  # whoever started the lane is gone: leave nothing behind


class _Elsewhere:
    """Stands for the case that runs next, of which is known only that it may be any."""

    def __init__(self, items: Sequence[pytest.Item]) -> None:
        chains = [each.listchain() for each in items]
        same = itertools.takewhile(lambda level: len(set(level)) == 1, zip(*chains, strict=False))
        self._chain = [level[0] for level in same if len(items) > 1]

    def listchain(self) -> list[Any]:
        """What pytest need not tear down for it."""
        return self._chain


def _interrupted(_number: int, _frame: FrameType | None) -> NoReturn:
    """Once: what is removed behind an interrupt is not interrupted again."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
