from __future__ import annotations

import io
import math
import multiprocessing
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from catenary.telemetry.v1 import training_pb2
from catenary_client.telemetry import Run, TelemetryError, TelemetrySettings
from catenary_client.telemetry.load import LoadMeter

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


def test_the_last_figures_of_speed_come_before_the_end_of_the_stream(
    server: TelemetryServer, new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = threading.Event()

    def read(_: LoadMeter) -> None:
        reading.set()
        threading.Event().wait(0.3)  # the training ends meanwhile

    monkeypatch.setattr(LoadMeter, "read", read)
    with new_run(settings=TelemetrySettings(performance_every=5, close_seconds=20.0)) as run:
        for step in range(1, 6):
            run.log_batch(loss=0.5, step=step)
        assert reading.wait(20.0)
    stored = server.run()
    assert len(stored.payloads("performance_data")) == 1
    assert stored.epoch == 1, "the stream had to be opened again"


def test_arrays_may_be_used_again_at_once(server: TelemetryServer, new_run: Callable[..., Run]) -> None:
    images, scores, truth = np.zeros((4, 8, 8), np.uint8), np.eye(4), np.arange(4)
    with new_run() as run:
        run.log_batch(images=images, predictions=scores, ground_truth=truth, loss=0.0)
        images[:], scores[:], truth[:] = 255, 0.25, 9
    batch = server.run().payloads("batch_data")[0].batch_data
    assert list(batch.ground_truth) == [0, 1, 2, 3]
    assert [item.predicted_class for item in batch.predictions] == [0, 1, 2, 3]
    assert np.asarray(Image.open(io.BytesIO(batch.images[0].image_bytes))).max() < 5


def test_images_go_with_every_so_many_batches(server: TelemetryServer, new_run: Callable[..., Run]) -> None:
    with new_run(settings=TelemetrySettings(image_every=3)) as run:
        for _ in range(6):
            run.log_batch(images=np.zeros((2, 8, 8)), loss=0.0)
    shown = {
        request.batch_data.global_step: len(request.batch_data.images)
        for request in server.run().payloads("batch_data")
    }
    assert shown == {1: 0, 2: 0, 3: 2, 4: 0, 5: 0, 6: 2}


def test_images_are_no_larger_than_the_server_takes(server: TelemetryServer, new_run: Callable[..., Run]) -> None:
    server.most_image_dimension = 48
    with new_run() as run:
        run.log_batch(images=np.zeros((1, 64, 64)), loss=0.0)
    (image,) = server.run().payloads("batch_data")[0].batch_data.images
    assert (image.width, image.height) == (48, 48)


def test_heartbeats_go_on_while_nothing_is_logged(server: TelemetryServer, new_run: Callable[..., Run]) -> None:
    server.heartbeat_ms = 20
    with new_run():
        server.wait_until(lambda: bool(server.runs) and server.run().heartbeats >= 5)


def test_a_training_that_fails_says_why(server: TelemetryServer, new_run: Callable[..., Run]) -> None:
    with pytest.raises(ZeroDivisionError), new_run() as run:
        run.log_batch(loss=1 / 0)
    update = server.run().payloads("status_update")[-1].status_update
    assert update.status == FAILED
    assert update.message == "ZeroDivisionError: division by zero"


def test_an_interrupted_training_is_cancelled(server: TelemetryServer, new_run: Callable[..., Run]) -> None:
    with pytest.raises(KeyboardInterrupt), new_run():
        raise KeyboardInterrupt
    assert server.run().statuses[-1] == training_pb2.TRAINING_STATUS_CANCELLED


def test_a_status_may_be_said_by_name(server: TelemetryServer, new_run: Callable[..., Run]) -> None:
    with new_run() as run:
        run.status("RUNNING", "warm")
        run.status("failed", "diverged")
        with pytest.raises(ValueError, match="none of INITIALIZING"):
            run.status("BORED")
    updates = [request.status_update for request in server.run().payloads("status_update")]
    assert [(update.status, update.message) for update in updates[1:]] == [(RUNNING, "warm"), (FAILED, "diverged")]


@pytest.mark.parametrize("name", ["", "x" * 129])
def test_a_metric_without_a_proper_name_is_refused(new_run: Callable[..., Run], name: str) -> None:
    with new_run() as run, pytest.raises(ValueError, match="the name of a metric"):
        run.log_scalars({name: 1.0})


def test_a_run_that_was_not_started_cannot_be_closed(new_run: Callable[..., Run]) -> None:
    with pytest.raises(TelemetryError, match="not started"):
        new_run().close()


def test_closing_again_returns_the_same_report(server: TelemetryServer, new_run: Callable[..., Run]) -> None:
    run = new_run().start()
    run.log_batch(loss=1.0)
    report = run.close()
    assert run.close() is report
    run.log_batch(loss=2.0)
    assert server.run().steps == [1]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_copy_of_the_process_logs_nothing(server: TelemetryServer, new_run: Callable[..., Run]) -> None:
    with new_run() as run:
        run.log_batch(loss=1.0)
        worker = multiprocessing.get_context("fork").Process(target=run.log_batch, kwargs={"loss": 2.0})
        worker.start()
        worker.join(30)
        assert worker.exitcode == 0
        run.log_batch(loss=3.0)
    losses = [request.batch_data.batch_loss for request in server.run().payloads("batch_data")]
    assert losses == [1.0, 3.0]
