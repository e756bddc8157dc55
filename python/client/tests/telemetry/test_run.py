from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from catenary.telemetry.v1 import training_pb2
from catenary_client.telemetry import Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry_server import TelemetryServer

    from catenary_client.telemetry import Run

RUNNING = training_pb2.TRAINING_STATUS_RUNNING
COMPLETED = training_pb2.TRAINING_STATUS_COMPLETED
FAILED = training_pb2.TRAINING_STATUS_FAILED
INITIALIZING = training_pb2.TRAINING_STATUS_INITIALIZING


def test_a_loop_reports_batches_epochs_and_scalars_and_ends_completed(
    server: TelemetryServer, new_run: Callable[..., Run]
) -> None:
    images = np.random.default_rng(1).integers(0, 255, (20, 8, 8), dtype=np.uint8)
    with new_run(name="digits", tags={"kind": "test"}, config={"model_name": "mlp", "depth": 3}) as run:
        for step in range(25):
            run.log_batch(images=images, predictions=np.eye(20, 10), ground_truth=range(20), loss=0.5, accuracy=0.25)
            run.log_scalars({"train/loss": 1.0 / (step + 1), "gradient": math.nan})
        run.log_epoch(loss=0.4, accuracy=0.5, learning_rate=0.1, validation_loss=0.6)

    stored = server.run()
    assert run.report is not None
    assert run.report.complete
    assert run.report.durable_sequence == stored.last
    assert sorted(stored.steps) == list(range(1, 26))
    assert [sample[1] for sample in stored.samples if sample[0] == "train/loss"] == list(range(1, 26))
    assert all(math.isnan(value) for name, _, value in stored.samples if name == "gradient")
    assert stored.statuses == [INITIALIZING, RUNNING, COMPLETED]
    assert stored.payloads("epoch_data")[0].epoch_data.validation_loss == pytest.approx(0.6)
    assert stored.payloads("performance_data")
    assert stored.registration.config.hyperparameters["depth"] == "3"
    batch = stored.payloads("batch_data")[0].batch_data
    assert len(batch.images) == 16
    assert len(batch.predictions) == 16
    assert len(batch.predictions[0].top_k_scores) == 3
    assert batch.batch_size == 20
