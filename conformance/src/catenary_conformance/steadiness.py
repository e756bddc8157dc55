"""Whether good servers pass every time: many runs with other seeds, also on a busy machine and far away.

A suite that fails a good server now and then is soon believed by nobody; this says how often ours does.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import multiprocessing
import secrets
import subprocess
import sys
from typing import TYPE_CHECKING

from catenary.conformance.v1 import verdict_pb2
from catenary_conformance.delay import delayed
from catenary_conformance.report.writing import read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_WRONG = frozenset({verdict_pb2.VERDICT_FAIL, verdict_pb2.VERDICT_INCONCLUSIVE, verdict_pb2.VERDICT_UNEXPECTED_PASS})


class Condition(enum.Enum):
    """Under what a run goes on."""

    QUIET = "quiet"
    BUSY = "busy"
    """Beside a process for each core that does nothing but count."""
    FAR = "far"
    """With the answers and requests of every connection delayed."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SteadyRun:
    """What came of one run.

    Attributes:
        condition: under what it went on.
        seed: of what it drew.
        status: exit status of the run.
        cases: how many cases ran to a verdict.
        wrong: names of the cases that failed a good server.
        seconds: that it took.
    """

    condition: Condition
    seed: int
    status: int
    cases: int
    wrong: tuple[str, ...]
    seconds: float

    @property
    def steady(self) -> bool:
        """Whether the good server passed, with something tried."""
        return not self.status and not self.wrong and self.cases > 0


def run_once(
    address: str, options: Sequence[str], condition: Condition, *, folder: Path, delay: float, busy: int
) -> SteadyRun:
    """Run the suite once on a good server, with a seed of its own.

    Args:
        address: `host:port`; empty for a server that the run starts for itself.
        options: further options of `run`.
        condition: under what.
        folder: for its report.
        delay: seconds by which `FAR` delays each direction.
        busy: processes that count, in `BUSY`.
    """
    seed = secrets.randbelow(1 << 32)
    with contextlib.ExitStack() as stack:
        if condition is Condition.BUSY:
            stack.enter_context(counting(busy))
        reached = [address] if address else []
        if condition is Condition.FAR:
            reached = [stack.enter_context(delayed(address, delay))]
        command = [sys.executable, "-m", "catenary_conformance", "run", *reached, *options]
        command += ["--seed", str(seed), "--report", str(folder)]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)  # noqa: S603 - this suite
    return _read(folder, condition, seed, done.returncode)


def _read(folder: Path, condition: Condition, seed: int, status: int) -> SteadyRun:
    try:
        report = read(folder)
    except OSError:  # it did not come so far
        return SteadyRun(condition=condition, seed=seed, status=status, cases=0, wrong=(), seconds=0.0)
    verdicts = {case.case_name: case.verdict for each in report.requirements for case in each.cases}
    untried = {verdict_pb2.VERDICT_SKIPPED, verdict_pb2.VERDICT_NOT_APPLICABLE}
    return SteadyRun(
        condition=condition,
        seed=seed,
        status=status,
        cases=sum(each not in untried for each in verdicts.values()),
        wrong=tuple(sorted(name for name, each in verdicts.items() if each in _WRONG)),
        seconds=(report.end_time.ToMilliseconds() - report.start_time.ToMilliseconds()) / 1000,
    )


@contextlib.contextmanager
def counting(count: int) -> Iterator[None]:
    """Within the block, so many processes each keep a core busy."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_count, daemon=True) for _ in range(count)]
    for each in processes:
        each.start()
    try:
        yield
    finally:
        for each in processes:
            each.kill()
            each.join()


def _count() -> None:
    number = 0
    while True:
        number += 1
