from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from catenary.telemetry.v1 import command_pb2, training_pb2
from catenary_client.telemetry import TelemetrySettings, TrainingLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry_server import TelemetryServer

    from catenary_client.telemetry import Run


def test_a_loop_reports_accuracies_and_means_that_it_did_not_compute(
    server: TelemetryServer, new_run: Callable[..., Run]
) -> None:
    scores, labels = np.eye(4), np.array([0, 1, 2, 0])
    with new_run() as run:
        loop = TrainingLoop(run, SimpleNamespace(param_groups=[{"lr": 0.125}]))
        for _ in loop.epochs(2):
            loop.batch(loss=1.0, inputs=np.zeros((4, 8, 8)), scores=scores, labels=labels)
            loop.batch(loss=4.0, scores=scores[:2], labels=labels[:2])
            loop.validated(loss=0.5, accuracy=0.75)
    stored = server.run()
    accuracies = sorted(request.batch_data.batch_accuracy for request in stored.payloads("batch_data"))
    assert accuracies == [0.75, 0.75, 1.0, 1.0]
    epochs = [request.epoch_data for request in stored.payloads("epoch_data")]
    assert [epoch.epoch for epoch in epochs] == [1, 2]
    assert epochs[0].average_loss == pytest.approx(2.0)
    assert epochs[0].average_accuracy == pytest.approx(5 / 6)
    assert epochs[0].learning_rate == 0.125
    assert epochs[0].validation_accuracy == 0.75


def test_a_loop_that_was_told_to_stop_begins_no_further_epoch(
    server: TelemetryServer, new_run: Callable[..., Run]
) -> None:
    with new_run(on_stop="return") as run:
        server.wait_until(lambda: bool(server.runs))
        server.command(server.run(), "stop", command_pb2.COMMAND_TYPE_STOP_TRAINING)
        seen = []
        for epoch in TrainingLoop(run).epochs(1000):
            seen.append(epoch)
            while TrainingLoop(run).batch(loss=0.0):
                server.wait_until(lambda: server.run().last >= run.step_count)
    assert seen == [1]


def test_convergence_ends_the_training_when_that_is_wanted(
    server: TelemetryServer, new_run: Callable[..., Run]
) -> None:
    with new_run(settings=TelemetrySettings(stop_on_convergence=True)) as run:
        loop = TrainingLoop(run)
        for epoch in loop.epochs(1000):
            loop.batch(loss=0.0)
            loop.validated(is_converged=epoch == 3)
    stored = server.run()
    assert [request.epoch_data.is_converged for request in stored.payloads("epoch_data")] == [False, False, True]
    assert stored.statuses[-1] == training_pb2.TRAINING_STATUS_COMPLETED
