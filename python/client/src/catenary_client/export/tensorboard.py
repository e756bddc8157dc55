"""A run as event files of TensorBoard: a scalar for each value, a text for each event and for the configuration."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from tensorboardX import SummaryWriter

from catenary_client.export.written import described

if TYPE_CHECKING:
    from pathlib import Path

    from catenary_client.export.record import LoggedEvent, RunRecord


def write(record: RunRecord, path: Path) -> None:
    """Write one event file into the folder.

    Raises:
        OSError: it cannot be written.
    """
    path.mkdir(parents=True, exist_ok=True)
    start = record.run.create_time.timestamp()
    # It warns of every value that is not finite; a run that has such values is to be exported as it is.
    logging.getLogger("tensorboardX.x2num").setLevel(logging.ERROR)
    with SummaryWriter(str(path), flush_secs=3600, write_to_disk=True) as writer:
        configuration = json.dumps(described(record.run), indent=2)
        writer.add_text("run", f"```\n{configuration}\n```", 0, walltime=start)
        for metric in record.metrics:
            for step, time_ms, value in zip(
                metric.steps.tolist(), metric.times_ms.tolist(), metric.values.tolist(), strict=True
            ):
                writer.add_scalar(metric.metric_name, value, step, walltime=time_ms / 1000)
        for event in record.events:
            writer.add_text(f"events/{event.kind}", _sentence(event), event.sequence, walltime=event.time_ms / 1000)


def _sentence(event: LoggedEvent) -> str:
    value = "" if event.value is None else f"{event.value:g}"
    return " ".join(part for part in (event.name, value, event.text) if part)
