"""`catenary datasets`: files of this machine on the server, for trainings there."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from catenary.v1.dataset_pb2 import DatasetState
from catenary_client.cli.connecting import Link, with_server
from catenary_client.cli.output import facts, listing
from catenary_wire import names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.timestamp_pb2 import Timestamp

    from catenary.v1.dataset_pb2 import Dataset
    from catenary_client.cli.output import Output
    from catenary_client.uploads import UploadProgress


@click.group()
def datasets() -> None:
    """Upload, list, show and delete datasets."""


def label_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--label`."""
    return click.option(
        "--label", "labels", multiple=True, metavar="KEY=VALUE", callback=_labels, help="To find it by; repeatable."
    )(command)


def _labels(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    for key, separator, _ in pairs:
        if not separator:
            raise click.BadParameter(f"{key} is no label: write KEY=VALUE")
    return {key: value for key, _, value in pairs}


@datasets.command(
    epilog="""
Examples:

\b
  catenary datasets upload field.hdr field.img --name field
  catenary datasets upload bands/ --label site=north
"""
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, path_type=Path))
@click.option("--name", default="", help="For people.  [default: the name of the first FILE]")
@label_option
@with_server
def upload(link: Link, files: tuple[Path, ...], name: str, labels: dict[str, str]) -> None:
    """Upload files, or folders with everything in them, as one dataset.

    A connection that breaks is taken up again; the same command goes on with an upload that was interrupted.
    """
    with _shown(link.output) as tell:
        try:
            dataset = link.client.upload_dataset(files, name=name, labels=labels, on_progress=tell)
        except (OSError, ValueError) as error:
            raise click.ClickException(str(error)) from error
    link.output.show({"dataset": dataset}, facts(_facts(dataset)), f"train on it with data.path={dataset.path}")


@datasets.command("list", epilog="Example: catenary datasets list --label site=north --json")
@label_option
@with_server
def list_datasets(link: Link, labels: dict[str, str]) -> None:
    """List your datasets, oldest first, those unfinished too."""
    found = link.client.datasets(labels)
    table = listing(
        ("dataset", "name", "state", "size", "created", "path"),
        (
            (item.dataset_id, item.name, _state(item), _size(item.size_bytes), _time(item.create_time), item.path)
            for item in found
        ),
    )
    link.output.show({"datasets": found}, table if found else "no datasets")


@datasets.command(epilog="Example: catenary datasets show 3f6d0c")
@click.argument("dataset_id")
@with_server
def show(link: Link, dataset_id: str) -> None:
    """Show what a dataset is and how far its upload is."""
    dataset = link.client.dataset(dataset_id)
    files = listing(
        ("file", "size", "received", "SHA-256"),
        (
            (each.file.path, _size(each.file.size_bytes), _size(each.received_size_bytes), each.file.sha256.hex())
            for each in dataset.files
        ),
    )
    link.output.show(dataset, facts(_facts(dataset)), files)


@datasets.command(epilog="Example: catenary datasets delete 3f6d0c 81a2be")
@click.argument("dataset_ids", nargs=-1, required=True, metavar="DATASET_ID...")
@with_server
def delete(link: Link, dataset_ids: tuple[str, ...]) -> None:
    """Delete datasets and their files; deleting a deleted one succeeds."""
    for dataset_id in dataset_ids:
        link.client.delete_dataset(dataset_id)
        link.output.show({"deleted": dataset_id}, f"deleted {dataset_id}")


@contextlib.contextmanager
def _shown(output: Output) -> Iterator[Callable[[UploadProgress], None] | None]:
    """A bar on a terminal, JSON lines for programs, nothing elsewhere."""
    if output.as_json:
        yield lambda progress: output.show({"upload": progress})
        return
    if not output.console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=output.console) as bar:
        task = bar.add_task("upload", total=None)

        def tell(progress: UploadProgress) -> None:
            description = "upload" if progress.attempt == 1 else f"upload (attempt {progress.attempt})"
            bar.update(task, completed=progress.sent, total=progress.total, description=description)

        yield tell


def _facts(dataset: Dataset) -> list[tuple[str, str]]:
    return [
        ("dataset", dataset.dataset_id),
        ("name", dataset.name),
        ("state", _state(dataset)),
        ("path", dataset.path),
        ("size", _size(dataset.size_bytes)),
        ("labels", ", ".join(f"{key}={value}" for key, value in sorted(dataset.labels.items()))),
        ("created", _time(dataset.create_time)),
        ("ready", _time(dataset.ready_time) if dataset.HasField("ready_time") else ""),
        ("expires", _time(dataset.expire_time) if dataset.HasField("expire_time") else ""),
    ]


def _state(dataset: Dataset) -> str:
    return names.short_name(DatasetState, dataset.state)


def _time(moment: Timestamp) -> str:
    return moment.ToDatetime().isoformat(" ", "seconds") + " UTC"


def _size(count: int) -> str:
    """As `1.5 MiB`."""
    size, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:  # noqa: PLR2004 - from one unit to the next
        size, units = size / 1024, units[1:]
    return f"{size:.4g} {units[0]}"
