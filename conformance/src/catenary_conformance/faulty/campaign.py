"""`catenary-conformance mutants`: what the suite is worth, by servers with one seeded fault each.

The good server comes first: while the suite finds fault with it, nothing that it finds elsewhere counts. Then each
mutant alone is shown live by its witness, and runs the cases that called one of its methods on the good server: those
of its own area in their usual order, then the others, to the first failure. The case that failed has to pass on the
good server right behind. What was found is kept as it comes, so that a campaign can be run in pieces.
"""

from __future__ import annotations

import multiprocessing
import re
import signal
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

import click
from rich.console import Console
from rich.progress import Progress

from catenary_conformance.catalogue import all_cases
from catenary_conformance.commands.options import Duration
from catenary_conformance.faulty.findings import Finding, Findings, found
from catenary_conformance.faulty.footprints import NEARBY, Footprints
from catenary_conformance.faulty.registry import mutants
from catenary_conformance.faulty.score import reached, report
from catenary_conformance.faulty.trial import Result, Setting, Trials

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from catenary_conformance.faulty.mutant import Mutant

NOT_CAUGHT, NOT_GREEN, UNFINISHED = 1, 3, 4
_FOREVER = 1e9

EXAMPLES = """
Examples:

\b
  catenary-conformance mutants
  catenary-conformance mutants --area TEL --area ERR --json mutants.json
  catenary-conformance mutants --only ses-002-deaf-to-request-ids
  catenary-conformance mutants --json mutants.json --recording calls.json --budget 2m
  catenary-conformance mutants --json mutants.json --show
  catenary-conformance mutants --list

Exit status: 0 the aims are reached, 1 they are not, 2 wrong usage, 3 the suite finds fault with the good server,
4 the budget is used up: the same command again goes on.
"""


class Shard(click.ParamType):  # type: ignore[type-arg] # generic for type checkers alone
    """`2/5`: the second of five parts."""

    name = "shard"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:  # noqa: ANN401 - as click declares it
        """Number of the part, from 1, and how many there are."""
        if isinstance(value, tuple):
            return value
        numbers = re.fullmatch(r"(\d+)/(\d+)", str(value))
        part, parts = (int(numbers.group(1)), int(numbers.group(2))) if numbers else (0, 0)
        if not 1 <= part <= parts:
            self.fail(f"{value} is no shard; write 1/4 for the first of four", param, ctx)
        return part, parts


_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", multiple=True, metavar="ID", help="A mutant, or the beginning of its id; repeatable.")
@click.option("--area", multiple=True, metavar="AREA", help="Mutants of an area, such as TEL; repeatable.")
@click.option("--shard", default="1/1", metavar="I/N", type=Shard(), help="The Ith of N parts of these.")
@click.option("--json", "file", type=_FILE, help="Keep findings here as they come, and go on from those that are here.")
@click.option("--again", is_flag=True, help="Try also what --json has a finding of.")
@click.option("--budget", default=_FOREVER, type=Duration(), help="Begin nothing new after this time: 90s, 10m.")
@click.option("--processes", default=2, show_default=True, type=click.IntRange(1, 64), help="Servers side by side.")
@click.option("--configs", default="configs", show_default=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--plugins", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Installed plugins.")
@click.option(
    "--time-factor", default=1.0, show_default=True, help="What every deadline of the suite is multiplied by."
)
@click.option("--recording", type=_FILE, help="Keep what cases call on the good server, or take it from here.")
@click.option("--list", "listing", is_flag=True, help="Only say which mutants there are.")
@click.option("--show", is_flag=True, help="Only say what --json has of them.")
def command(
    *,
    only: tuple[str, ...],
    area: tuple[str, ...],
    shard: tuple[int, int],
    file: Path | None,
    again: bool,
    budget: float,
    processes: int,
    configs: Path,
    plugins: Path | None,
    time_factor: float,
    recording: Path | None,
    listing: bool,
    show: bool,
) -> int:
    """Run the suite against servers with one seeded fault each, and count which are caught."""
    chosen = _chosen(only, area, shard)
    console = Console(highlight=False)
    if listing:
        for each in chosen:
            console.print(f"{each.id:<50} {each.requirement}  {each.text}", soft_wrap=True)
        return 0
    findings, footprints = Findings(file), Footprints(recording)
    if show:
        return _concluded(console, chosen, findings)
    if not configs.is_dir():
        raise click.UsageError(f"the good server needs a folder of configurations; there is no {configs}")
    signal.signal(signal.SIGTERM, _interrupt)
    setting = Setting(configs=configs.resolve(), plugins=plugins, time_factor=time_factor)
    waiting = [each for each in chosen if again or each.id not in findings]
    with Campaign(console, setting, processes=processes, seconds=budget) as campaign:
        if not campaign.good_is_green(footprints):
            return NOT_GREEN
        if not footprints.missing:
            campaign.run(waiting, footprints, findings)
    status = _concluded(console, chosen, findings)
    return UNFINISHED if campaign.unfinished else status


def _concluded(console: Console, chosen: Iterable[Mutant], findings: Findings) -> int:
    tried = [findings[each.id] for each in chosen if each.id in findings]
    report(console, tried)
    return 0 if reached(tried) else NOT_CAUGHT


def main(arguments: Sequence[str]) -> int:
    """The command; its exit status.

    Raises:
        click.ClickException: the arguments are wrong.
    """
    status = command.main(list(arguments), prog_name="catenary-conformance mutants", standalone_mode=False)
    return int(status or 0)


class Campaign:
    """Servers side by side, each in a process with its proxies and the suite, within a `with` block.

    Attributes:
        unfinished: whether something was left out because the time was used up.
    """

    def __init__(self, console: Console, setting: Setting, *, processes: int, seconds: float = _FOREVER) -> None:
        self._console = console
        self._processes = processes
        self._until = time.monotonic() + seconds
        # Started anew instead of forked: threads of gRPC do not survive a fork.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_prepare, initargs=(setting,))
        self.unfinished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def good_is_green(self, footprints: Footprints) -> bool:
        """Run the suite on the good server, area by area, as far as that is not done; and note which case calls what.

        Also through its Unix socket.
        """
        green = True

        def note(area: str, result: Result) -> None:
            nonlocal green
            if result.failed:
                green = False
                self._console.print(f"the good server fails {result.failed}: {result.detail}", style="red")
                return
            footprints.add(area, result.touched)
            self._console.print(f"good server: {area}, {result.cases} cases ran")

        areas = footprints.missing
        if not areas:
            self._console.print("what cases call is taken from an earlier run of the good server")
        self._side_by_side(areas, lambda area: self._pool.submit(_good, area), note)
        return green

    def run(self, chosen: Collection[Mutant], footprints: Footprints, findings: Findings) -> None:
        """Run each mutant alone."""
        with Progress(console=self._console) as progress:
            task = progress.add_task("mutants", total=len(chosen))

            def note(_: Mutant, finding: Finding) -> None:
                findings.add(finding)
                progress.advance(task)
                progress.console.print(_line(finding), soft_wrap=True)

            self._side_by_side(chosen, lambda each: self._pool.submit(_faulty, each.id, _tried(each, footprints)), note)

    def _side_by_side(
        self, tasks: Iterable[Any], begin: Callable[[Any], Future[Any]], note: Callable[[Any, Any], None]
    ) -> None:
        """Do tasks in as many processes as there are, and begin none after the time is used up."""
        waiting, running = list(tasks)[::-1], dict[Future[Any], Any]()
        while waiting or running:
            while waiting and len(running) < self._processes and time.monotonic() < self._until:
                task = waiting.pop()
                running[begin(task)] = task
            if not running:
                self.unfinished = True
                return
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                note(running.pop(done), done.result())


def _tried(mutant: Mutant, footprints: Footprints) -> list[str]:
    """Cases that can see a fault, and all of its requirement.

    Collected in this process, not in one that runs cases: what is imported without a target has other settings.
    """
    own = (each.name for each in all_cases() if mutant.requirement in each.requirement_ids)
    return sorted({*footprints.cases_of(mutant), *own})


def _line(finding: Finding) -> str:
    if not finding.case:
        line = f"SURVIVED {finding.mutant} after {finding.cases} cases"
    elif not finding.confirmed:
        line = f"UNSURE {finding.mutant}: {finding.case} fails on the good server too"
    else:
        where = "" if finding.localised else f" (by {finding.case} {', '.join(finding.first_failing)})"
        line = f"caught {finding.mutant} in {finding.seconds:.1f} s{where}"
    return line if finding.live else f"{line}; NOT LIVE"


def _chosen(only: tuple[str, ...], area: tuple[str, ...], shard: tuple[int, int]) -> list[Mutant]:
    wanted = [
        each
        for each in mutants().values()
        if (not only or each.id.startswith(only)) and (not area or each.area in {name.upper() for name in area})
    ]
    if not wanted:
        raise click.UsageError("there is no such mutant; --list says which there are")
    part, parts = shard
    return wanted[part - 1 :: parts]


# In the processes.

_trials: list[Trials] = []


def _prepare(setting: Setting) -> None:
    """Start a server for this process; it ends with the process."""
    signal.signal(signal.SIGTERM, _interrupt)
    trials = Trials(setting)
    _trials.append(trials.__enter__())
    Finalize(None, trials.__exit__, args=(None, None, None), exitpriority=10)


def _interrupt(*_: object) -> NoReturn:
    """Being ended is as being interrupted: servers are stopped and folders removed."""
    raise KeyboardInterrupt


def _good(area: str) -> Result:
    if area == NEARBY:
        return _trials[0].good_nearby({each.requirement for each in mutants().values() if each.near})
    return _trials[0].good(area)


def _faulty(name: str, cases: Collection[str]) -> Finding:
    mutant, trials = mutants()[name], _trials[0]
    live = trials.is_live(mutant)
    result = trials.with_fault(mutant, cases)
    confirmed = bool(result.failed) and trials.passes(result.failed, near=mutant.near)
    return found(mutant.id, mutant.requirement, result, live=live, confirmed=confirmed)
