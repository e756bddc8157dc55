"""Runs in the files of other tools: Parquet, CSV, and event files of TensorBoard. Needs the extra `export`."""

from __future__ import annotations

import dataclasses
import importlib
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from catenary_client.export.record import read_record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from catenary_client.client import Client
    from catenary_client.export.record import RunRecord

__all__ = ["Exported", "FileFormat", "MissingLibrary", "export_run", "read_record"]

FileFormat: TypeAlias = Literal["parquet", "csv", "tensorboard"]
_WRITERS: dict[str, str] = {
    "parquet": "catenary_client.export.parquet",
    "csv": "catenary_client.export.table",
    "tensorboard": "catenary_client.export.tensorboard",
}


class MissingLibrary(ImportError):
    """The library that writes such files is not installed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    run_id: str
    path: str
    metrics: int
    samples: int
    events: int


class _Writer(Protocol):
    """A module that writes one kind of file."""

    write: Callable[[RunRecord, Path], None]


def export_run(client: Client, run_id: str, file_format: FileFormat | str, path: Path) -> Exported:
    """Write every value of every metric, and every event, of a run as it is now.

    Args:
        client: where to read it.
        run_id: the run.
        file_format: `parquet`, `csv` or `tensorboard`.
        path: the file; for TensorBoard the folder. It appears whole or not at all, folders excepted.

    Raises:
        ValueError: there is no such format.
        MissingLibrary: the extra `export` is not installed.
        NotFoundError: the caller has no such run.
        OSError: the file cannot be written.
    """
    if file_format not in _WRITERS:
        message = f"{file_format} is none of {', '.join(_WRITERS)}"
        raise ValueError(message)
    try:
        writer: _Writer = importlib.import_module(_WRITERS[file_format])
    except ImportError as error:
        message = f"{file_format} needs {error.name}: pip install 'catenary-client[export]'"
        raise MissingLibrary(message) from error
    record = read_record(client, run_id)
    writer.write(record, path)
    samples = sum(len(values.steps) for values in record.metrics)
    return Exported(run_id, str(path), len(record.metrics), samples, len(record.events))
