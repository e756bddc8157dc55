"""Runs as they go on: bars on a terminal, lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

from catenary_client.cli.output import jsonable
from catenary_client.errors import CatenaryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

    from catenary_client.cli.output import Output
    from catenary_client.client import Session
    from catenary_client.results import TrainProgress


def follow(output: Output, label: str, events: Iterable[TrainProgress]) -> TrainProgress | None:
    """Show every event of a run to its end; returns the last one."""
    if output.as_json:
        return _follow_json(output, label, events)
    if output.console.is_terminal:
        return _follow_bar(output, label, events)
    return _follow_lines(output, label, events)


@contextlib.contextmanager
def stopping_on_interrupt(session: Session, output: Output) -> Iterator[None]:
    """Let the first interrupt from the keyboard stop the run, which then ends in order, and the second one leave."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # In a thread: the handler interrupts the main thread anywhere, also in the middle of a print.
    stopper = threading.Thread(target=_stop, args=(session, output), daemon=True)

    def interrupted(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, former)
        stopper.start()

    former = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
    if stopper.ident is not None:
        stopper.join()


def _stop(session: Session, output: Output) -> None:
    output.say("stopping after this batch; interrupt again to leave at once")
    try:
        session.stop()
    except CatenaryError as error:
        output.say(f"the run goes on: {error}")


def _follow_json(output: Output, label: str, events: Iterable[TrainProgress]) -> TrainProgress | None:
    last = None
    for last in events:
        output.show({"label": label, **jsonable(last)})
    return last


def _follow_lines(output: Output, label: str, events: Iterable[TrainProgress]) -> TrainProgress | None:
    last = None
    for last in events:
        output.say(f"[{label}] {last}")
    return last


def _follow_bar(output: Output, label: str, events: Iterable[TrainProgress]) -> TrainProgress | None:
    """One bar that stays: epochs where there are some, else batches; behind it the newest losses and metrics."""
    fixed, rest = Column(no_wrap=True), Column(no_wrap=True, overflow="ellipsis", ratio=1)
    columns = (
        TextColumn("{task.description:<12}", markup=False, table_column=fixed),
        BarColumn(bar_width=20, table_column=fixed.copy()),
        MofNCompleteColumn(table_column=fixed.copy()),
        TimeElapsedColumn(table_column=fixed.copy()),
        TextColumn("{task.fields[news]}", markup=False, table_column=rest),
    )
    last: TrainProgress | None = None
    values: dict[str, float] = {}
    with Progress(*columns, console=output.console, expand=True) as bar:
        task = bar.add_task(label, total=None, news="")
        for last in events:
            values |= {**last.losses, **last.metrics}
            done, total = position(last)
            bar.update(task, completed=done, total=total, news=_news(last, values))
    if last is not None:
        output.say(f"{label}: {last.message}")
    return last


def position(progress: TrainProgress) -> tuple[float, float | None]:
    """How far it is, in epochs with their fraction, or in batches."""
    if not progress.epochs_total:
        return progress.batches_done, progress.batches_total or None
    within = progress.batches_done / progress.batches_total if progress.batches_total else 0.0
    done = progress.epochs_done + (within if within < 1.0 else 0.0)
    return min(done, progress.epochs_total), progress.epochs_total


def _news(progress: TrainProgress, values: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in values.items()) or progress.message
