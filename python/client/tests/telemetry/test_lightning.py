from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from catenary.telemetry.v1 import command_pb2, training_pb2

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry_server import TelemetryServer

pytest.importorskip("lightning", reason="needs the extra `lightning`")

import lightning.pytorch as pl

from catenary_client.telemetry.lightning import Shown, TelemetryCallback

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


class Classifier(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(16, 3)

    def training_step(self, batch: list[torch.Tensor], _: int) -> dict[str, torch.Tensor]:
        scores = self.layer(batch[0].flatten(1))
        loss = torch.nn.functional.cross_entropy(scores, batch[1])
        self.log("margin", loss * 2)
        return {"loss": loss, "scores": scores.detach()}

    def validation_step(self, batch: list[torch.Tensor], _: int) -> None:
        self.log("val_loss", torch.nn.functional.cross_entropy(self.layer(batch[0].flatten(1)), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def train(callback: TelemetryCallback, folder: Path, *, epochs: int = 2) -> pl.Trainer:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand((24, 4, 4), generator=generator)
    loader = DataLoader(TensorDataset(images, torch.arange(24) % 3), batch_size=8)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        log_every_n_steps=1,
    )
    trainer.fit(Classifier(), loader, loader)
    return trainer


def test_a_lightning_training_reports_batches_epochs_and_metrics(server: TelemetryServer, tmp_path: Path) -> None:
    def show(batch: list[torch.Tensor], outputs: dict[str, torch.Tensor]) -> Shown:
        return Shown(images=batch[0], predictions=outputs["scores"], ground_truth=batch[1])

    train(TelemetryCallback(server.address, show=show, spill_root=tmp_path / "spill"), tmp_path)

    stored = server.run()
    assert stored.steps == list(range(1, 7))
    batch = stored.payloads("batch_data")[0].batch_data
    assert len(batch.images) == len(batch.predictions) == len(batch.ground_truth) == 8
    assert [request.epoch_data.epoch for request in stored.payloads("epoch_data")] == [0, 1]
    assert all(request.epoch_data.HasField("validation_loss") for request in stored.payloads("epoch_data"))
    assert "margin" in {name for name, _, _ in stored.samples}
    assert stored.registration.config.model_name == "Classifier"
    assert stored.registration.config.batches_per_epoch == 3
    assert stored.statuses[-1] == training_pb2.TRAINING_STATUS_COMPLETED


def test_a_lightning_training_obeys_commands(server: TelemetryServer, tmp_path: Path) -> None:
    calls = []

    def show(batch: list[torch.Tensor], outputs: dict[str, torch.Tensor]) -> Shown:
        run = server.run()
        calls.append(run)
        server.wait_until(lambda: len(run.steps) >= len(calls) - 1)
        if len(calls) == 2:
            server.command(run, "rate", command_pb2.COMMAND_TYPE_CHANGE_LEARNING_RATE, learning_rate=0.5)
            server.command(run, "stop", command_pb2.COMMAND_TYPE_STOP_TRAINING)
        return Shown()

    callback = TelemetryCallback(server.address, show=show, learning_rate=(1e-6, 1.0), spill_root=tmp_path / "spill")
    trainer = train(callback, tmp_path, epochs=10_000)

    stored = server.run()
    results = {
        request.command_result.command_id: request.command_result for request in stored.payloads("command_result")
    }
    assert results["rate"].applied.old_setting.learning_rate == pytest.approx(0.1)
    assert results["rate"].applied.new_setting.learning_rate == pytest.approx(0.5)
    assert results["stop"].HasField("applied")
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.5)
    assert stored.statuses[-1] == training_pb2.TRAINING_STATUS_CANCELLED


def test_a_lightning_training_that_fails_says_so(server: TelemetryServer, tmp_path: Path) -> None:
    def show(batch: list[torch.Tensor], outputs: dict[str, torch.Tensor]) -> Shown:
        raise RuntimeError("no pictures today")

    with pytest.raises(RuntimeError, match="no pictures today"):
        train(TelemetryCallback(server.address, show=show, spill_root=tmp_path / "spill"), tmp_path)
    (update,) = (request.status_update for request in server.run().payloads("status_update")[-1:])
    assert update.status == training_pb2.TRAINING_STATUS_FAILED
    assert "no pictures today" in update.message
