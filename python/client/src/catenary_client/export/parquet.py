"""A run as one Parquet file: the table of `rows`, and the run itself in the metadata of the file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catenary_client.export.written import described, replacing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catenary_client.export.record import MetricValues, RunRecord

METADATA_KEY: Final = b"catenary.run"
"""Key of the file's metadata that has the run as JSON."""
SCHEMA: Final = pa.schema(
    [
        pa.field("kind", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("name", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("step", pa.int64()),
        pa.field("time", pa.timestamp("ms", tz="UTC"), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("text", pa.string()),
        pa.field("sequence", pa.int64()),
    ]
)


def write(record: RunRecord, path: Path) -> None:
    """Write the file.

    Raises:
        OSError: it cannot be written.
    """
    schema = SCHEMA.with_metadata({METADATA_KEY: json.dumps(described(record.run)).encode()})
    with replacing(path) as part, pq.ParquetWriter(part, schema, compression="zstd") as writer:
        for table in _tables(record, schema):
            writer.write_table(table)


def _tables(record: RunRecord, schema: pa.Schema) -> Iterator[pa.Table]:
    for values in record.metrics:
        yield _of_metric(values, schema)
    rows = [
        {
            "kind": event.kind,
            "name": event.name,
            "step": event.step,
            "time": event.time_ms,
            "value": event.value,
            "text": event.text,
            "sequence": event.sequence,
        }
        for event in record.events
    ]
    yield pa.Table.from_pylist(rows, schema=schema)


def _of_metric(values: MetricValues, schema: pa.Schema) -> pa.Table:
    count = len(values.steps)
    constant = {"kind": "scalar", "name": values.metric_name}
    zeros = pa.array(np.zeros(count, dtype=np.int32))
    columns = [
        *(pa.DictionaryArray.from_arrays(zeros, pa.array([text])) for text in constant.values()),
        pa.array(values.steps),
        pa.array(values.times_ms).cast(schema.field("time").type),
        pa.array(values.values),
        pa.nulls(count, pa.string()),
        pa.nulls(count, pa.int64()),
    ]
    return pa.Table.from_arrays(columns, schema=schema)
