"""A run in the files of other tools, read back with those tools."""

from __future__ import annotations

import csv
import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from catenary_client import Client, NotFoundError
from catenary_client.export import export_run
from catenary_client.export.record import read_record
from catenary_client.telemetry import Commands, Run, TelemetrySettings

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Command = Callable[..., subprocess.CompletedProcess[str]]

STEPS = 12_000
"""More than one query returns."""
EPOCHS = 2


@pytest.fixture(scope="module")
def run_id(telemetry_server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run that has ended; tests read it only."""
    settings = TelemetrySettings(performance_every=1_000_000)
    with Run(
        telemetry_server,
        name="exported",
        config={"model_name": "small"},
        commands=Commands(),
        spill_root=tmp_path_factory.mktemp("spill"),
        settings=settings,
    ) as run:
        for step in range(1, STEPS + 1):
            run.log_scalars({"loss": 1.0 / step, "odd": float("nan")}, step=step)
        for _ in range(EPOCHS):
            run.log_epoch(loss=0.5)
    return run.run_id


def expected() -> np.ndarray[Any, Any]:
    return 1.0 / np.arange(1, STEPS + 1)


def test_every_value_is_read_however_many_there_are(telemetry_server: str, run_id: str) -> None:
    with Client(telemetry_server) as client:
        record = read_record(client, run_id)
    loss = next(metric for metric in record.metrics if metric.metric_name == "loss")
    assert loss.steps.tolist() == list(range(1, STEPS + 1))
    np.testing.assert_array_equal(loss.values, expected())
    assert [event.kind for event in record.events].count("epoch") == EPOCHS
    assert record.events[-1].name == "COMPLETED"


def test_parquet_has_the_values_the_events_and_the_run(telemetry_server: str, run_id: str, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "run.parquet"
    with Client(telemetry_server) as client:
        exported = export_run(client, run_id, "parquet", file)
    table = parquet.read_table(file)
    assert table.num_rows == exported.samples + exported.events
    rows = table.to_pylist()
    losses = [row for row in rows if row["name"] == "loss"]
    np.testing.assert_array_equal([row["value"] for row in losses], expected())
    assert [row["name"] for row in rows if row["kind"] == "status"][-1] == "COMPLETED"
    run = json.loads(table.schema.metadata[b"catenary.run"])
    assert (run["run_id"], run["config"]["model_name"]) == (run_id, "small")
    assert [path.name for path in tmp_path.glob(".run.parquet*")] == []


def test_csv_has_the_values_and_the_events(
    telemetry_server: str, run_id: str, tmp_path: Path, catenary: Command
) -> None:
    file = tmp_path / "run.csv"
    called = catenary(telemetry_server, "runs", "export", run_id, "--format", "csv", "--output", str(file), "--json")
    assert called.returncode == 0, called.stderr
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == json.loads(called.stdout)["samples"] + json.loads(called.stdout)["events"]
    np.testing.assert_array_equal([float(row["value"]) for row in rows if row["name"] == "loss"], expected())
    assert {row["value"] for row in rows if row["name"] == "odd"} == {"nan"}


def test_tensorboard_has_a_scalar_for_each_value(telemetry_server: str, run_id: str, tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboardX.proto.event_pb2")
    with Client(telemetry_server) as client:
        export_run(client, run_id, "tensorboard", tmp_path / "events")
    (file,) = (tmp_path / "events").iterdir()
    content, values, texts = file.read_bytes(), {}, []
    while content:
        (size,) = struct.unpack_from("<Q", content)
        event = events.Event.FromString(content[12 : 12 + size])
        content = content[16 + size :]
        for value in event.summary.value:
            if value.tag == "loss":
                values[event.step] = value.simple_value
            elif value.tag.startswith("events/status"):
                texts.append(value.tensor.string_val[0].decode())
    assert sorted(values) == list(range(1, STEPS + 1))
    np.testing.assert_allclose([values[step] for step in sorted(values)], expected(), rtol=1e-6)
    assert texts[-1] == "COMPLETED"


def test_a_run_that_is_not_there_leaves_no_file(telemetry_server: str, tmp_path: Path, catenary: Command) -> None:
    file = tmp_path / "none.csv"
    with Client(telemetry_server) as client, pytest.raises(NotFoundError):
        export_run(client, "none", "csv", file)
    called = catenary(telemetry_server, "runs", "export", "none", "--format", "csv", "--output", str(file))
    assert called.returncode == 1
    assert not file.exists()
