"""`catenary runs`: trainings that report telemetry."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import click

from catenary_client.cli.connecting import Link, with_server
from catenary_client.cli.output import facts, jsonable, listing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from catenary_client.run_results import CommandBounds, TelemetryRun

MEGABYTE = 1_000_000
STATUSES = ["initializing", "running", "paused", "completed", "failed", "cancelled"]


@click.group()
def runs() -> None:
    """List, show, delete and export runs: trainings that report telemetry."""


def _tags(_context: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    for text in texts:
        if "=" not in text:
            raise click.BadParameter(f"{text} is no tag: write NAME=VALUE")
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


@runs.command("list", epilog="Example: catenary runs list --status running --tag phase=gradient")
@click.option("--status", "statuses", multiple=True, type=click.Choice(STATUSES, case_sensitive=False),
              help="Only runs with this status; repeatable.")  # fmt: skip
@click.option("--tag", "tags", multiple=True, callback=_tags, metavar="NAME=VALUE",
              help="Only runs with this tag; repeatable.")  # fmt: skip
@with_server
def list_runs(link: Link, *, statuses: tuple[str, ...], tags: dict[str, str]) -> None:
    """List your runs, newest first."""
    found = link.client.list_runs(statuses=[status.upper() for status in statuses], tags=tags)
    table = listing(
        ("run", "status", "writer", "model", "started", "size"),
        (
            (run.run_id, run.status, run.writer_state, run.config.model_name, _clock(run.start_time), _size(run))
            for run in found
        ),
    )
    link.output.show({"runs": list(map(_document, found))}, table if found else "no runs")


@runs.command(epilog="Example: catenary runs show digits-20260101-120000")
@click.argument("run_id")
@with_server
def show(link: Link, *, run_id: str) -> None:
    """Show how a run stands, how it is set up and what it obeys."""
    run = link.client.get_run(run_id)
    link.output.show(_document(run), facts(_rows(run)))


@runs.command(epilog="Example: catenary runs delete digits-20260101-120000")
@click.argument("run_ids", nargs=-1, required=True, metavar="RUN_ID...")
@with_server
def delete(link: Link, *, run_ids: tuple[str, ...]) -> None:
    """Delete runs that nobody writes to, with everything they stored."""
    for run_id in run_ids:
        freed = link.client.delete_run(run_id)
        link.output.show({"deleted": run_id, "freed_bytes": freed}, f"deleted {run_id}, {freed / MEGABYTE:.1f} MB free")


@runs.command(
    epilog="""
Examples:

\b
  catenary runs export digits-20260101-120000 --format parquet --output run.parquet
  catenary runs export digits-20260101-120000 --format tensorboard --output events/
"""
)
@click.argument("run_id")
@click.option("--format", "file_format", required=True, type=click.Choice(["parquet", "csv", "tensorboard"]),
              help="Kind of file; `tensorboard` writes event files into a folder.")  # fmt: skip
@click.option("--output", required=True, type=click.Path(path_type=Path), help="File, or folder of event files.")
@with_server
def export(link: Link, *, run_id: str, file_format: str, output: Path) -> None:
    """Write all metrics and events of a run into files that other tools read."""
    from catenary_client.export import MissingLibrary, export_run  # noqa: PLC0415 - needs the extra `export`

    try:
        exported = export_run(link.client, run_id, file_format, output)
    except (MissingLibrary, OSError) as error:
        raise click.ClickException(str(error)) from error
    link.output.show(
        exported, f"{exported.samples} values of {exported.metrics} metrics and {exported.events} events in {output}"
    )


def _rows(run: TelemetryRun) -> Iterator[tuple[str, str]]:
    yield "run", run.run_id
    yield "status", run.status
    yield "writer", f"{run.writer_state} ({run.client_name})"
    yield "failure", run.failure
    yield "created", _clock(run.create_time)
    yield "started", _clock(run.start_time)
    yield "ended", _clock(run.end_time)
    yield "tags", "\n".join(f"{name}={value}" for name, value in sorted(run.tags.items()))
    for name, value in jsonable(run.config).items():
        yield name.replace("_", " "), _flat(value)
    yield "obeys", "\n".join(map(_bounds, run.commands))
    yield "metrics", "\n".join(run.metric_names)
    yield "log", f"{run.last_sequence} entries, {_size(run)}"
    yield "dropped", ", ".join(f"{count} {name.lower()}" for name, count in run.dropped.items())


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}={item}" for key, item in sorted(value.items()))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _bounds(bounds: CommandBounds) -> str:
    if bounds.minimum is None and bounds.maximum is None:
        return bounds.command
    return f"{bounds.command} from {bounds.minimum:g} to {bounds.maximum:g}"


def _document(run: TelemetryRun) -> dict[str, Any]:
    document: dict[str, Any] = jsonable(run)
    return document


def _size(run: TelemetryRun) -> str:
    return f"{run.stored_bytes / MEGABYTE:.1f} MB"


def _clock(time: dt.datetime | None) -> str:
    return "" if time is None else time.astimezone(dt.UTC).isoformat(" ", "seconds").removesuffix("+00:00") + " UTC"
