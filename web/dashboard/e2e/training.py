"""A training loop to look at: softmax regression on patterns that it generates, at a pace of its own.

It takes all five commands and goes on until it is stopped, killed, or has done its epochs. `--hostile FILE` has it use the
lines of a file wherever a training may say something: labels, image names, tags, settings, messages.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catenary_client.telemetry import Commands, Prediction, Run, Setting, TelemetrySettings, TrainingLoop

CLASSES = ["bars", "cross", "disc", "frame", "grid", "ring", "slope", "steps", "waves", "wedge"]
SIDE = 32
NOISE = 0.55


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
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        rows = np.arange(len(labels))
        loss = float(-np.log(shares[rows, labels] + 1e-9).mean())
        shares[rows, labels] -= 1
        flat = images.reshape(len(images), -1) - np.float32(0.5)
        self.weights -= np.float32(self.learning_rate / len(labels)) * (flat.T @ shares)
        return scores, loss


class Data:
    """Patterns under noise."""

    def __init__(self, batch_size: int, seed: int) -> None:
        self.batch_size = batch_size
        self._random = np.random.default_rng(seed)
        self._patterns = patterns()

    def resize(self, size: float) -> None:
        """Use another batch size from the next batch on."""
        if size != int(size):
            raise ValueError("a batch has a whole number of samples")
        self.batch_size = int(size)

    def batch(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Images [N, 32, 32] from 0 to 1, and their classes."""
        labels = self._random.integers(0, len(CLASSES), self.batch_size)
        noise = self._random.normal(0, NOISE, (self.batch_size, SIDE, SIDE)).astype(np.float32)
        return np.clip(self._patterns[labels] + noise, 0, 1), labels


def paced(count: int, per_second: float) -> Iterator[int]:
    """Numbers, so many in a second; a pause is not caught up."""
    due = time.monotonic()
    for index in range(count):
        due = max(due + 1 / per_second, time.monotonic() - 1 / per_second)
        time.sleep(max(0.0, due - time.monotonic()))
        yield index


def main() -> None:
    """Train, and report it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--spill", type=Path, required=True)
    parser.add_argument("--name", default="patterns")
    parser.add_argument("--run-id", default="")
    parser.add_argument("--token", default="")
    parser.add_argument("--tag", action="append", default=[])
    parser.add_argument("--epochs", type=int, default=100_000)
    parser.add_argument("--batches", type=int, default=30)
    parser.add_argument("--per-second", type=float, default=30.0)
    parser.add_argument("--learning-rate", type=float, default=0.02)
    parser.add_argument("--fail", action="store_true", help="end by a failure")
    parser.add_argument("--deaf", action="store_true", help="obey no command")
    parser.add_argument("--hostile", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    texts = options.hostile.read_text(encoding="utf-8").splitlines() if options.hostile else []
    train(options, texts)


def train(options: argparse.Namespace, texts: list[str]) -> None:
    """Train with what was asked for; `texts` are said wherever a training may say something."""
    learner, data = Learner(options.learning_rate), Data(16, options.seed)
    hostile = itertools.cycle(texts or [""])

    def set_rate(value: float) -> None:
        learner.learning_rate = value

    commands = Commands(
        pause=not options.deaf,
        stop=not options.deaf,
        learning_rate=None if options.deaf else Setting(lambda: learner.learning_rate, set_rate, 1e-6, 1.0),
        batch_size=None if options.deaf else Setting(lambda: data.batch_size, data.resize, 1, 64),
    )
    config: dict[str, object] = {
        "model_name": next(hostile) or "softmax regression",
        "dataset_name": next(hostile) or "generated patterns",
        "total_epochs": options.epochs,
        "batches_per_epoch": options.batches,
        "batch_size": data.batch_size,
        "learning_rate": learner.learning_rate,
        "optimizer_name": next(hostile) or "gradient descent",
        "class_names": [next(hostile) or name for name in CLASSES],
        "noise": next(hostile) or NOISE,
    }
    tags = dict(tag.split("=", 1) for tag in options.tag) | {f"text{index}": text for index, text in enumerate(texts)}
    run = Run(
        options.server,
        name=options.name,
        run_id=options.run_id,
        token=options.token,
        tags=tags,
        config=config,
        commands=commands,
        spill_root=options.spill,
        settings=TelemetrySettings(top_k=3),
    )
    with run:
        print(run.run_id, flush=True)
        loop = TrainingLoop(run, learner)
        for epoch in loop.epochs(options.epochs):
            for _ in paced(options.batches, options.per_second):
                images, labels = data.batch()
                scores, loss = learner.learn(images, labels)
                if texts:
                    said = [Prediction(int(row.argmax()), next(hostile), 0.5) for row in scores]
                    run.log_batch(loss=loss, images=images, predictions=said, ground_truth=labels)
                else:
                    loop.batch(inputs=images, scores=scores, labels=labels, loss=loss)
            images, labels = data.batch()
            held_out = learner.scores(images)
            chance = float((held_out.argmax(axis=1) == labels).mean())
            loop.validated(loss=float(np.log1p(np.exp(-held_out[np.arange(len(labels)), labels])).mean()), accuracy=chance)
            if texts:
                run.status("RUNNING", next(hostile))
                run.log_scalars({f"{text[:60]} {epoch}": 1.0 for text in texts[:3]})
            if options.fail:
                raise FloatingPointError(next(hostile) or "the loss is no number any more")


if __name__ == "__main__":
    main()
