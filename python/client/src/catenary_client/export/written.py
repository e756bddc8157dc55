"""What every kind of file shares: the run as JSON, and files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_client.run_results import TelemetryRun


def described(run: TelemetryRun) -> dict[str, Any]:
    """A run as JSON has it."""
    return {
        "run_id": run.run_id,
        "status": run.status,
        "client_name": run.client_name,
        "tags": dict(run.tags),
        "create_time": run.create_time.isoformat(),
        "start_time": None if run.start_time is None else run.start_time.isoformat(),
        "end_time": None if run.end_time is None else run.end_time.isoformat(),
        "config": MessageToDict(run.config, preserving_proto_field_name=True),
        "last_sequence": run.last_sequence,
        "dropped": dict(run.dropped),
        "failure": run.failure,
    }


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` to write into, which takes its place at the end of the block, or goes after an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o644)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
