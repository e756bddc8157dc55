"""`catenary-conformance mutants`: what the suite is worth, by servers with one seeded fault each.

The good server comes first: while the suite finds fault with it, nothing that it finds elsewhere counts. Then each
mutant alone runs the cases that called one of its methods on the good server, and those of its own requirement.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import multiprocessing
import signal
import statistics
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from catenary_conformance.faulty.messages import UNKNOWN_METHOD, methods
from catenary_conformance.faulty.registry import mutants
from catenary_conformance.faulty.trial import AREAS, Result, Setting, Trials

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from catenary_conformance.faulty.mutant import Mutant

TARGET_SCORE, TARGET_LOCALISATION, TARGET_SECONDS = 0.95, 0.90, 10.0
WHOLE_AREAS = frozenset({"ERR"})
"""Areas of which every mutant has to be caught."""
NOT_CAUGHT, NOT_GREEN = 1, 3
_NEAR, _FAR = "unix", "tcp"  # connections, as recordings name them

EXAMPLES = """
Examples:

\b
  catenary-conformance mutants
  catenary-conformance mutants --area TEL --area ERR --json mutants.json
  catenary-conformance mutants --only ses-002-deaf-to-request-ids
  catenary-conformance mutants --list

Exit status: 0 the aims are reached, 1 they are not, 2 wrong usage, 3 the suite finds fault with the good server.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What became of one mutant."""

    mutant: Mutant
    result: Result

    @property
    def caught(self) -> bool:
        """Whether some case failed."""
        return bool(self.result.failed)

    @property
    def localised(self) -> bool:
        """Whether the first case that failed is one of the requirement that is broken."""
        return self.mutant.requirement in self.result.requirements


@click.command(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", multiple=True, metavar="ID", help="A mutant, or the beginning of its id; repeatable.")
@click.option("--area", multiple=True, metavar="AREA", help="Mutants of an area, such as TEL; repeatable.")
@click.option("--json", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write the findings here.")
@click.option("--processes", default=2, show_default=True, type=click.IntRange(1, 64), help="Servers side by side.")
@click.option("--configs", default="configs", show_default=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--plugins", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Installed plugins.")
@click.option(
    "--time-factor", default=1.0, show_default=True, help="What every deadline of the suite is multiplied by."
)
@click.option(
    "--recording", type=click.Path(path_type=Path, dir_okay=False), help="Keep what cases call, or take it from here."
)
@click.option("--list", "listing", is_flag=True, help="Only say which mutants there are.")
def command(
    *,
    only: tuple[str, ...],
    area: tuple[str, ...],
    file: Path | None,
    processes: int,
    configs: Path,
    plugins: Path | None,
    time_factor: float,
    recording: Path | None,
    listing: bool,
) -> int:
    """Run the suite against servers with one seeded fault each, and count which are caught."""
    chosen = _chosen(only, area)
    console = Console(highlight=False)
    if listing:
        for each in chosen:
            console.print(f"{each.id:<50} {each.requirement}  {each.text}", soft_wrap=True)
        return 0
    if not configs.is_dir():
        raise click.UsageError(f"the good server needs a folder of configurations; there is no {configs}")
    if recording is not None and recording.exists():
        console.print(f"what cases call is taken from {recording}: a score counts with a run of the good server only")
    signal.signal(signal.SIGTERM, _interrupt)
    setting = Setting(configs=configs.resolve(), plugins=plugins, time_factor=time_factor)
    with Campaign(console, setting, processes=processes) as campaign:
        if not campaign.recalls(recording) and not campaign.good_is_green(chosen):
            return NOT_GREEN
        campaign.keep(recording)
        findings = campaign.run(chosen)
    report(console, findings)
    if file is not None:
        file.write_text(json.dumps(as_json(findings), indent=1) + "\n")
    return 0 if reached(findings) else NOT_CAUGHT


def main(arguments: Sequence[str]) -> int:
    """The command; its exit status.

    Raises:
        click.ClickException: the arguments are wrong.
    """
    status = command.main(list(arguments), prog_name="catenary-conformance mutants", standalone_mode=False)
    return int(status or 0)


class Campaign:
    """Servers side by side, each in a process with its proxies and the suite, within a `with` block."""

    def __init__(self, console: Console, setting: Setting, *, processes: int) -> None:
        self._console = console
        # Started anew instead of forked: threads of gRPC do not survive a fork.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_prepare, initargs=(setting,))
        self._touched: dict[bool, Mapping[str, frozenset[str]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def good_is_green(self, chosen: Collection[Mutant]) -> bool:
        """Run the suite on the good server, and note which case calls what; also through its Unix socket if needed."""
        runs = [(False, self._pool.submit(_good, area)) for area in AREAS]
        near = {each.requirement for each in chosen if each.near}
        if near:
            runs.append((True, self._pool.submit(_good_nearby, near)))
        with self._console.status("the good server first"):
            results = [(is_near, run.result()) for is_near, run in runs]
        for is_near, result in results:
            if result.failed:
                self._console.print(f"the good server fails {result.failed}: {result.detail}", style="red")
            self._touched[is_near] = {**self._touched.get(is_near, {}), **result.touched}
        self._console.print(f"good server: {sum(result.cases for _, result in results)} cases ran")
        return not any(result.failed for _, result in results)

    def recalls(self, recording: Path | None) -> bool:
        """Take what cases call from an earlier run of the good server, if there is one."""
        if recording is None or not recording.exists():
            return False
        kept = json.loads(recording.read_text())
        for place, touched in kept.items():
            self._touched[place == _NEAR] = {name: frozenset(paths) for name, paths in touched.items()}
        return True

    def keep(self, recording: Path | None) -> None:
        """Write down what cases call."""
        if recording is not None:
            places = {_NEAR if near else _FAR: touched for near, touched in self._touched.items()}
            plain = {place: {name: sorted(paths) for name, paths in each.items()} for place, each in places.items()}
            recording.write_text(json.dumps(plain))

    def run(self, chosen: Sequence[Mutant]) -> list[Finding]:
        """Run each mutant alone; the findings in the order of the mutants."""
        pending = {
            self._pool.submit(_faulty, each.id, self._cases(each)): each
            for each in sorted(chosen, key=lambda each: len(self._cases(each)))
        }
        findings = {}
        with Progress(console=self._console) as progress:
            task = progress.add_task("mutants", total=len(pending))
            for done in as_completed(pending):
                finding = Finding(pending[done], done.result())
                findings[finding.mutant.id] = finding
                progress.advance(task)
                progress.console.print(_line(finding))
        return [findings[each.id] for each in chosen]

    def _cases(self, mutant: Mutant) -> list[str]:
        return cases_of(mutant, self._touched.get(mutant.near, {}))


def cases_of(mutant: Mutant, touched: Mapping[str, frozenset[str]]) -> list[str]:
    """Cases that call one of the mutant's methods."""
    return [name for name, paths in touched.items() if {_known(each) for each in paths} & mutant.methods]


def reached(findings: Collection[Finding]) -> bool:
    """Whether score and localisation are what they ought to be, and the areas are whole that have to be."""
    caught = [each for each in findings if each.caught]
    whole = all(each.caught for each in findings if each.mutant.area in WHOLE_AREAS)
    return (
        whole
        and _share(len(caught), len(findings)) >= TARGET_SCORE
        and _share(sum(each.localised for each in caught), len(caught)) >= TARGET_LOCALISATION
    )


def report(console: Console, findings: Collection[Finding]) -> None:
    """Print score, localisation and time by area, and the survivors."""
    table = Table("area", "mutants", "caught", "localised", "median s", title="seeded faults")
    groups = itertools.groupby(sorted(findings, key=lambda each: each.mutant.area), key=lambda each: each.mutant.area)
    for area, group in groups:
        table.add_row(area, *_row(list(group)))
    table.add_section()
    table.add_row("all", *_row(list(findings)))
    console.print(table)
    for each in findings:
        if not each.caught:
            console.print(f"survived: {each.mutant.id} ({each.mutant.requirement}): {each.mutant.text}")
    for each in findings:
        if each.caught and not each.localised:
            console.print(f"found elsewhere: {each.mutant.id}: {each.result.failed} {each.result.requirements}")


def as_json(findings: Iterable[Finding]) -> list[dict[str, object]]:
    """The findings as plain data."""
    return [
        {
            "id": each.mutant.id,
            "requirement": each.mutant.requirement,
            "text": each.mutant.text,
            "caught": each.caught,
            "localised": each.localised,
            "first_failing": list(each.result.requirements),
            "case": each.result.failed,
            "detail": each.result.detail,
            "seconds": round(each.result.seconds, 2),
            "cases": each.result.cases,
        }
        for each in findings
    ]


def _row(group: Sequence[Finding]) -> list[str]:
    caught = [each for each in group if each.caught]
    localised = sum(each.localised for each in caught)
    median = statistics.median(each.result.seconds for each in caught) if caught else 0.0
    return [
        str(len(group)),
        f"{len(caught)} ({_share(len(caught), len(group)):.0%})",
        f"{localised} ({_share(localised, len(caught)):.0%})",
        f"{median:.1f}",
    ]


def _line(finding: Finding) -> str:
    result = finding.result
    if not finding.caught:
        return f"SURVIVED {finding.mutant.id} after {result.cases} cases"
    where = "" if finding.localised else f" (by {', '.join(result.requirements)})"
    return f"caught {finding.mutant.id} in {result.seconds:.1f} s{where}"


def _known(method: str) -> str:
    """The path itself, or what stands for all that the contract does not have."""
    return method if method in methods() else UNKNOWN_METHOD


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _chosen(only: tuple[str, ...], area: tuple[str, ...]) -> list[Mutant]:
    found = [
        each
        for each in mutants().values()
        if (not only or each.id.startswith(only)) and (not area or each.area in {name.upper() for name in area})
    ]
    if not found:
        raise click.UsageError("there is no such mutant; --list says which there are")
    return found


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
    return _trials[0].good(area)


def _good_nearby(requirements: Collection[str]) -> Result:
    return _trials[0].good_nearby(requirements)


def _faulty(name: str, cases: Collection[str]) -> Result:
    return _trials[0].with_fault(mutants()[name], cases)
