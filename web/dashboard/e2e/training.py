"""A training loop to look at: softmax regression on patterns that it generates, at a pace of its own.

It takes all five commands and goes on until it is stopped, killed, or has done its epochs. `--hostile FILE` has it use
the lines of a file wherever a training may say something: labels, tags, settings, names of metrics, messages.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
import numpy as np

from catenary_client.telemetry import Commands, Prediction, Run, Setting, TelemetrySettings, TrainingLoop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

CLASSES = ["bars", "cross", "disc", "frame", "grid", "ring", "slope", "steps", "waves", "wedge"]
SIDE = 32
NOISE = 0.55
BATCH_SIZE = 16
MISLABELLED = 0.06  # so that some are wrong, however long it learns


def patterns() -> NDArray[np.float32]:
    """One picture of each class, [10, 32, 32], from 0 to 1."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / (SIDE - 1) - 0.5
    radius = np.hypot(x, y)
    pictures = [
        (np.floor(x * 8) % 2 == 0),
        (np.abs(x) < 0.1) | (np.abs(y) < 0.1),
        radius < 0.35,
        np.maximum(np.abs(x), np.abs(y)) > 0.36,
        (np.floor(x * 6) % 2 == 0) | (np.floor(y * 6) % 2 == 0),
        (radius > 0.25) & (radius < 0.42),
        x + 0.5,
        np.floor((y + 0.5) * 4) / 4,
        np.sin(x * 18 + y * 6) / 2 + 0.5,
        y > np.abs(x) * 1.6 - 0.3,
    ]
    return np.stack([np.asarray(picture, dtype=np.float32) for picture in pictures])


def softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of logits, [N, classes]."""
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=np.float32)


def cross_entropy(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Mean over the samples."""
    return float(-np.log(softmax(scores)[np.arange(len(labels)), labels] + 1e-9).mean())


class Learner:
    """Softmax regression by gradient descent."""

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self.weights = np.zeros((SIDE * SIDE, len(CLASSES)), dtype=np.float32)

    @property
    def param_groups(self) -> list[dict[str, float]]:
        """As torch's optimisers have them."""
        return [{"lr": self.learning_rate}]

    def scores(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits, [N, 10]."""
        flat = images.reshape(len(images), -1) - np.float32(0.5)
        return np.asarray(flat @ self.weights, dtype=np.float32)

    def learn(self, images: NDArray[np.float32], labels: NDArray[np.int64]) -> tuple[NDArray[np.float32], float]:
        """One step; the scores and the loss before it."""
        scores = self.scores(images)
        error = softmax(scores)
        error[np.arange(len(labels)), labels] -= 1
        flat = images.reshape(len(images), -1) - np.float32(0.5)
        self.weights -= np.float32(self.learning_rate / len(labels)) * (flat.T @ error)
        return scores, cross_entropy(scores, labels)


class Data:
    """Patterns under noise."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self._random = np.random.default_rng(0)
        self._patterns = patterns()

    def resize(self, size: float) -> None:
        """Use another batch size from the next batch on."""
        if size != int(size):
            raise ValueError("a batch has a whole number of samples")
        self.batch_size = int(size)

    def batch(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Images [N, 32, 32] from 0 to 1, and what they are said to be."""
        shown = self._random.integers(0, len(CLASSES), self.batch_size)
        noise = self._random.normal(0, NOISE, (self.batch_size, SIDE, SIDE)).astype(np.float32)
        others = self._random.integers(0, len(CLASSES), self.batch_size)
        labels = np.where(self._random.random(self.batch_size) < MISLABELLED, others, shown)
        return np.clip(self._patterns[shown] + noise, 0, 1), labels


def paced(count: int, per_second: float) -> Iterator[int]:
    """Numbers, so many in a second; a pause is not caught up."""
    due = time.monotonic()
    for index in range(count):
        due = max(due + 1 / per_second, time.monotonic() - 1 / per_second)
        time.sleep(max(0.0, due - time.monotonic()))
        yield index


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to train, and how.

    Attributes:
        epochs: how many, each of so many `batches`, so many `per_second`.
        learning_rate: at the start.
        deaf: obey no command.
        fail: end the first epoch by a failure.
        texts: said wherever a training may say something; none for words of its own.
    """

    epochs: int
    batches: int
    per_second: float
    learning_rate: float
    deaf: bool
    fail: bool
    texts: Sequence[str]


def commands(learner: Learner, data: Data, *, deaf: bool) -> Commands:
    """What viewers may do."""

    def set_rate(value: float) -> None:
        learner.learning_rate = value

    if deaf:
        return Commands(pause=False, stop=False)
    return Commands(
        learning_rate=Setting(lambda: learner.learning_rate, set_rate, minimum=1e-6, maximum=1.0),
        batch_size=Setting(lambda: data.batch_size, data.resize, minimum=1, maximum=64),
    )


def settings(plan: Plan, words: Iterator[str]) -> dict[str, object]:
    """How the training is set up."""
    return {
        "model_name": next(words) or "softmax regression",
        "dataset_name": next(words) or "generated patterns",
        "total_epochs": plan.epochs,
        "batches_per_epoch": plan.batches,
        "batch_size": BATCH_SIZE,
        "learning_rate": plan.learning_rate,
        "optimizer_name": next(words) or "gradient descent",
        "class_names": [next(words) or name for name in CLASSES],
        "noise": next(words) or NOISE,
    }


def train(run: Run, plan: Plan, learner: Learner, data: Data, words: Iterator[str]) -> None:
    """All epochs, each with a validation on samples of its own."""
    loop = TrainingLoop(run, learner)
    for epoch in loop.epochs(plan.epochs):
        for _ in paced(plan.batches, plan.per_second):
            images, labels = data.batch()
            scores, loss = learner.learn(images, labels)
            if plan.texts:
                said = [Prediction(int(row.argmax()), 0.5, next(words)) for row in scores]
                run.log_batch(loss=loss, images=images, predictions=said, ground_truth=labels)
            else:
                loop.batch(inputs=images, scores=scores, labels=labels, loss=loss)
        images, labels = data.batch()
        scores = learner.scores(images)
        loop.validated(loss=cross_entropy(scores, labels), accuracy=float((scores.argmax(axis=1) == labels).mean()))
        if plan.texts:
            run.status("RUNNING", next(words))
            run.log_scalars({f"{text[:60]} {epoch}": 1.0 for text in plan.texts[:3]})
        if plan.fail:
            raise FloatingPointError(next(words) or "the loss is no number any more")


@click.command()
@click.option("--server", required=True, help="host:port")
@click.option("--spill", type=click.Path(path_type=Path), required=True, help="folder for what the server cannot take")
@click.option("--name", default="patterns")
@click.option("--token", default="")
@click.option("--tag", "tags", multiple=True, help="name=value")
@click.option("--epochs", default=2000)
@click.option("--batches", default=30)
@click.option("--per-second", default=30.0)
@click.option("--learning-rate", default=0.02)
@click.option("--deaf", is_flag=True, help="obey no command")
@click.option("--fail", is_flag=True, help="end by a failure")
@click.option("--hostile", type=click.File(encoding="utf-8"), help="lines to say wherever a training may say something")
def main(
    *, server: str, spill: Path, name: str, token: str, tags: Sequence[str], hostile: TextIO | None, **options: Any
) -> None:
    """Train, and report it; prints the id of the run."""
    plan = Plan(texts=hostile.read().splitlines() if hostile else [], **options)
    words = itertools.cycle(plan.texts or [""])
    learner, data = Learner(plan.learning_rate), Data(BATCH_SIZE)
    run = Run(
        server,
        name=name,
        token=token,
        tags=dict(tag.split("=", 1) for tag in tags) | {f"text{index}": text for index, text in enumerate(plan.texts)},
        config=settings(plan, words),
        commands=commands(learner, data, deaf=plan.deaf),
        spill_root=spill,
        settings=TelemetrySettings(top_k=3),
    )
    with run:
        click.echo(run.run_id)
        train(run, plan, learner, data, words)


if __name__ == "__main__":
    main()
