"""A plain PyTorch loop that shows what it does: scikit-learn's digits, 16 tiles, the three best guesses for each.

    catenary serve --only telemetry &
    python examples/telemetry_digits.py --server localhost:50051
    catenary watch RUN_ID
    catenary command RUN_ID pause

Viewers may pause, resume and stop it, and change its learning rate and its batch size.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from catenary_client.telemetry import Commands, Run, Setting, TelemetrySettings, TrainingLoop

CLASSES = [str(digit) for digit in range(10)]
LARGEST_LEARNING_RATE = 1.0
LARGEST_BATCH = 256


def digits(*, seed: int) -> tuple[TensorDataset, TensorDataset]:
    """Real images of digits, [N, 1, 8, 8] float32 from 0 to 1, shuffled: for training and for validation."""
    bunch = load_digits()
    order = np.random.default_rng(seed).permutation(len(bunch.target))
    images = torch.from_numpy(bunch.images[order].astype(np.float32) / 16).unsqueeze(1)
    labels = torch.from_numpy(bunch.target[order])
    split = len(order) * 4 // 5
    return TensorDataset(images[:split], labels[:split]), TensorDataset(images[split:], labels[split:])


def classifier() -> nn.Module:
    """A small convolutional network."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * 16, 10)
    )


def batches(data: TensorDataset, size: int, *, seed: int) -> tuple[DataLoader[tuple[torch.Tensor, ...]], Setting]:
    """A loader of shuffled batches, and the setting that changes how large they are from the next batch on."""
    generator = torch.Generator().manual_seed(seed)
    sampler = BatchSampler(RandomSampler(data, generator=generator), size, drop_last=False)

    def resize(value: float) -> None:
        if value != int(value):
            raise ValueError("a batch has a whole number of samples")
        sampler.batch_size = int(value)

    setting = Setting(lambda: sampler.batch_size, resize, minimum=1, maximum=LARGEST_BATCH)
    loader: DataLoader[tuple[torch.Tensor, ...]] = DataLoader(data, sampler=sampler, batch_size=None)
    return loader, setting


def accuracy_of(model: nn.Module, data: TensorDataset) -> tuple[float, float]:
    """Loss and accuracy on a whole set."""
    images, labels = data.tensors
    with torch.inference_mode():
        scores = model(images)
        loss = nn.functional.cross_entropy(scores, labels)
    return float(loss), float((scores.argmax(1) == labels).float().mean())


@click.command()
@click.option("--server", default="localhost:50051", show_default=True, help="host:port")
@click.option("--epochs", default=20, show_default=True)
@click.option("--batch-size", default=32, show_default=True)
@click.option("--learning-rate", default=0.1, show_default=True)
@click.option("--run-id", default="", help="go on with this run")
@click.option("--spill", type=click.Path(path_type=Path), help="folder for what the server cannot take yet")
@click.option("--seed", default=0, show_default=True)
def main(
    *, server: str, epochs: int, batch_size: int, learning_rate: float, run_id: str, spill: Path | None, seed: int
) -> None:
    """Train a classifier of digits and report it."""
    torch.manual_seed(seed)
    training, validation = digits(seed=seed)
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate, momentum=0.9)
    loader, size = batches(training, batch_size, seed=seed)
    commands = Commands(
        learning_rate=Setting.learning_rate_of(optimizer, minimum=1e-6, maximum=LARGEST_LEARNING_RATE), batch_size=size
    )
    config = {
        "model_name": "small convolutional network",
        "dataset_name": "scikit-learn digits",
        "total_epochs": epochs,
        "batches_per_epoch": -(-len(training) // batch_size),
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "optimizer_name": "SGD",
        "loss_name": "cross entropy",
        "class_names": CLASSES,
        "momentum": 0.9,
    }
    run = Run(
        server,
        name="digits",
        run_id=run_id,
        config=config,
        commands=commands,
        spill_root=spill,
        settings=TelemetrySettings(top_k=3),
    )
    with run:
        click.echo(f"run {run.run_id}")
        loop = TrainingLoop(run, optimizer)
        for epoch in loop.epochs(epochs):
            for images, labels in loader:
                optimizer.zero_grad()
                scores = model(images)
                loss = nn.functional.cross_entropy(scores, labels)
                loss.backward()  # type: ignore[no-untyped-call]  # torch leaves this one untyped
                optimizer.step()
                loop.batch(inputs=images, scores=scores, labels=labels, loss=loss.detach())
            validation_loss, validation_accuracy = accuracy_of(model, validation)
            loop.validated(loss=validation_loss, accuracy=validation_accuracy)
            click.echo(f"epoch {epoch}: validation accuracy {validation_accuracy:.3f}")
    report = run.close()
    click.echo(f"complete: {report.complete}, last sequence {report.durable_sequence}, left {report.left_messages}")


if __name__ == "__main__":
    main()
