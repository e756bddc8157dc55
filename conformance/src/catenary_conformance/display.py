"""What a run shows while it goes on, and when it has ended: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import collections
import contextlib
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from catenary_conformance.known_failing import entries_of
from catenary_conformance.report.matrix import conformance_word
from catenary_conformance.report.transcripts import transcript
from catenary_conformance.verdict import BAD, Conformance, Verdict

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from catenary_conformance.conclusion import Conclusion
    from catenary_conformance.verdict import CaseResult

_LINES = 10
"""Lines of progress where there is no terminal."""
_COLOURS = {
    Conformance.CONFORMANT: "green",
    Conformance.INCOMPLETE: "yellow",
    Conformance.NONCONFORMANT: "red",
}
_WORDS = {
    Verdict.PASS: "passed",
    Verdict.FAIL: "failed",
    Verdict.KNOWN_FAIL: "failed as known",
    Verdict.UNEXPECTED_PASS: "passed unexpectedly",
    Verdict.SKIPPED: "skipped",
    Verdict.NOT_APPLICABLE: "not applicable",
    Verdict.INCONCLUSIVE: "inconclusive",
}


class Display:
    """Shows the progress of a run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[case]}"),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("testing", total=None, case="")
        self._total = self._done = 0

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Show the bar for as long as the block lasts."""
        with self._progress:
            yield

    def counted(self, total: int) -> None:
        """There are so many cases."""
        self._total = total
        self._progress.update(self._task, total=total)

    def began(self, name: str) -> None:
        """A case has begun."""
        self._progress.update(self._task, case=escape(name)[:60])

    def ended(self, result: CaseResult) -> None:
        """A case has ended."""
        self._done += 1
        self._progress.advance(self._task)
        if result.verdict in BAD or result.verdict is Verdict.INCONCLUSIVE:
            self._console.print(f"[red]{_WORDS[result.verdict]}[/] {escape(result.name)}", soft_wrap=True)
            self._console.print(f"  {escape(_first_line(result))}", soft_wrap=True, style="dim")
        step = max(self._total // _LINES, 1)
        if not self._console.is_terminal and self._done % step == 0:
            self._console.print(f"{self._done} of {self._total} cases")


def summarise(console: Console, conclusion: Conclusion, folder: Path | None, today: dt.date) -> None:
    """Print what a run came to."""
    counts = collections.Counter(each.verdict for each in conclusion.cases)
    parts = [f"{counts[verdict]} {word}" for verdict, word in _WORDS.items() if counts[verdict]]
    must = [each for each in conclusion.requirements if each.requirement.level.name == "MUST"]
    shown = sum(each.verdict is Verdict.PASS for each in must)
    _print_failures(console, conclusion)
    _print_skips(console, conclusion)
    colour = _COLOURS[conclusion.conformance]
    console.print(f"[bold {colour}]{conformance_word(conclusion.report)}[/]: {', '.join(parts)}")
    console.print(f"{shown} of {len(must)} MUST requirements shown; seed {conclusion.report.settings.seed}")
    for each in conclusion.unreached if conclusion.conformance is Conformance.CONFORMANT else ():
        console.print(f"no case brought about {each}")
    for leak in conclusion.report.leaks:
        console.print(f"left behind: {leak.resource_kind} {leak.resource_id}")
    new = [each for each in conclusion.cases if each.verdict is Verdict.FAIL]
    if folder is not None:
        console.print(f"report, pages, badge and transcripts are in {folder}", soft_wrap=True)
        if new:
            (folder / "known-failing.toml").write_text(
                entries_of([(each, transcript(each.calls).content_sha256.hex()) for each in new], today),
                encoding="utf-8",
            )
            console.print("known-failing.toml there has entries ready to paste")


def _print_failures(console: Console, conclusion: Conclusion) -> None:
    for title, wanted in (("known failures", {Verdict.KNOWN_FAIL}), ("failures", {*BAD, Verdict.INCONCLUSIVE})):
        broken = [each for each in conclusion.requirements if each.verdict in wanted]
        if broken:
            console.print(f"[bold]{title}[/]")
        for each in broken:
            console.print(f"  {each.requirement.id} {escape(each.requirement.text)}", soft_wrap=True)
            for case in each.cases:
                if case.verdict in wanted:
                    console.print(f"    {escape(case.name)}: {escape(_first_line(case))}", soft_wrap=True, style="dim")


def _print_skips(console: Console, conclusion: Conclusion) -> None:
    reasons = collections.Counter(
        each.skip_reason.name for each in conclusion.cases if each.skip_reason and each.verdict is Verdict.SKIPPED
    )
    for name, count in sorted(reasons.items()):
        console.print(f"{count} skipped: {name.lower().replace('_', ' ')}")


def _first_line(result: CaseResult) -> str:
    return result.detail.strip().partition("\n")[0][:300]
