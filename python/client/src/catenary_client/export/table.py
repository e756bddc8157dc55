"""A run as one CSV file: a row for each value and each event."""

from __future__ import annotations

import csv
import datetime as dt
from typing import TYPE_CHECKING, Final

from catenary_client.export.written import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from catenary_client.export.record import RunRecord

COLUMNS: Final = ("kind", "name", "step", "time", "value", "text", "sequence")


def write(record: RunRecord, path: Path) -> None:
    """Write the file. Times are in UTC, values have as many digits as they need.

    Raises:
        OSError: it cannot be written.
    """
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for metric in record.metrics:
            columns = (metric.steps.tolist(), metric.times_ms.tolist(), metric.values.tolist())
            writer.writerows(
                ("scalar", metric.metric_name, step, _clock(time_ms), repr(value), "", "")
                for step, time_ms, value in zip(*columns, strict=True)
            )
        writer.writerows(
            (
                event.kind,
                event.name,
                "" if event.step is None else event.step,
                _clock(event.time_ms),
                "" if event.value is None else repr(event.value),
                event.text,
                event.sequence,
            )
            for event in record.events
        )


def _clock(time_ms: int) -> str:
    return dt.datetime.fromtimestamp(time_ms / 1000, dt.UTC).isoformat(timespec="milliseconds")
