"""The example on real images, steered while it trains."""

from __future__ import annotations

import importlib.util
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from catenary.telemetry.v1 import command_pb2, training_pb2

if TYPE_CHECKING:
    from telemetry_server import TelemetryServer

EXAMPLE = Path(__file__).resolve().parents[4] / "examples" / "telemetry_digits.py"
SECONDS = 60.0

pytest.importorskip("sklearn", reason="has the digits")
pytest.importorskip("torch", reason="trains the classifier")


def load_example() -> Any:
    spec = importlib.util.spec_from_file_location("telemetry_digits", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_digits_are_learnt_shown_and_steered(server: TelemetryServer, tmp_path: Path) -> None:
    output: list[str] = []

    def train() -> None:
        arguments = ["--server", server.address, "--epochs", "6", "--spill", str(tmp_path / "spill")]
        output.append(CliRunner().invoke(load_example().main, arguments, catch_exceptions=False).output)

    thread = threading.Thread(target=train)
    thread.start()
    server.wait_until(lambda: bool(server.runs) and len(server.run().steps) > 5)
    stored = server.run()
    server.command(stored, "hold", command_pb2.COMMAND_TYPE_PAUSE_TRAINING)
    server.wait_until(lambda: training_pb2.TRAINING_STATUS_PAUSED in stored.statuses)
    server.command(stored, "rate", command_pb2.COMMAND_TYPE_CHANGE_LEARNING_RATE, learning_rate=0.05)
    server.command(stored, "size", command_pb2.COMMAND_TYPE_ADJUST_BATCH_SIZE, batch_size=64)
    server.command(stored, "go", command_pb2.COMMAND_TYPE_RESUME_TRAINING)
    thread.join(SECONDS)

    results = {item.command_result.command_id: item.command_result for item in stored.payloads("command_result")}
    assert {name: result.WhichOneof("outcome") for name, result in results.items()} == dict.fromkeys(
        ("hold", "rate", "size", "go"), "applied"
    )
    assert results["size"].applied.old_setting.batch_size == 32
    batches = {item.batch_data.global_step: item.batch_data for item in stored.payloads("batch_data")}
    assert batches[1].batch_size == 32
    assert batches[results["size"].applied.applied_at_step + 2].batch_size == 64
    assert all(len(batch.images) == len(batch.predictions) == 16 for batch in batches.values() if batch.batch_size > 16)
    assert len(batches[1].predictions[0].top_k_scores) == 3
    assert batches[1].predictions[0].predicted_label in "0123456789"
    epochs = [item.epoch_data for item in stored.payloads("epoch_data")]
    assert epochs[-1].learning_rate == pytest.approx(0.05)
    assert epochs[-1].validation_accuracy > 0.9
    assert re.search(r"^complete: True, .* left 0$", output[0], re.MULTILINE)
