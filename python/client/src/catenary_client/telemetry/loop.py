"""A training loop that reports itself: for plain PyTorch, and for anything whose arrays numpy can read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from catenary_client.telemetry.tiles import own_copy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_client.telemetry.control import Optimizer
    from catenary_client.telemetry.run import Run
    from catenary_client.telemetry.tiles import ArrayLike


class _Mean:
    """Mean over samples; those that are not known are left out."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._weight = 0

    def add(self, value: float, weight: int) -> None:
        if not math.isnan(value):
            self._sum += value * weight
            self._weight += weight

    @property
    def value(self) -> float:
        return self._sum / self._weight if self._weight else math.nan


class TrainingLoop:
    """Reports the batches and epochs of a loop, with accuracies and means that the loop need not compute.

        for epoch in loop.epochs(10):
            for images, labels in loader:
                ...
                loop.batch(inputs=images, scores=logits, labels=labels, loss=loss)
            loop.validated(loss=..., accuracy=...)

    Args:
        run: that is reported to; started.
        optimizer: whose learning rate is reported; None for none.
    """

    def __init__(self, run: Run, optimizer: Optimizer | None = None) -> None:
        self._run = run
        self._optimizer = optimizer
        self._loss = _Mean()
        self._accuracy = _Mean()
        self._validation: tuple[float | None, float | None] = (None, None)
        self._converged = False

    def epochs(self, count: int) -> Iterator[int]:
        """Numbers of epochs, from the run's next one on; each is reported when its block is done.

        Ends early after a command to stop, when the run was made with `on_stop="return"`.
        """
        for _ in range(count):
            if self._run.stopped:
                return
            self._loss, self._accuracy = _Mean(), _Mean()
            self._validation, self._converged = (None, None), False
            yield self._run.epoch
            self._run.log_epoch(
                loss=self._loss.value,
                accuracy=self._accuracy.value,
                learning_rate=self._learning_rate(),
                validation_loss=self._validation[0],
                validation_accuracy=self._validation[1],
                is_converged=self._converged,
            )

    def batch(
        self,
        *,
        loss: object,
        inputs: ArrayLike | None = None,
        scores: ArrayLike | None = None,
        labels: ArrayLike | None = None,
    ) -> bool:
        """One batch of a classifier is done.

        Args:
            loss: of the batch, anything that `float` takes.
            inputs: images, as `Run.log_batch` takes them; None to show none.
            scores: probabilities or logits of shape [N, classes].
            labels: true classes of shape [N].

        Returns:
            Whether to go on.

        Raises:
            As `Run.log_batch`.
        """
        value = float(loss)  # type: ignore[arg-type]  # tensors of any framework have __float__
        found = None if scores is None else own_copy(scores)
        truth = None if labels is None else own_copy(labels)
        size = next((len(part) for part in (truth, found, inputs) if part is not None), 0)
        accuracy = math.nan
        if found is not None and truth is not None and size:
            accuracy = float((found.argmax(axis=1) == truth).mean())
        self._loss.add(value, max(size, 1))
        self._accuracy.add(accuracy, size)
        return self._run.log_batch(
            loss=value, accuracy=accuracy, images=inputs, predictions=found, ground_truth=truth, batch_size=size
        )

    def validated(
        self, *, loss: float | None = None, accuracy: float | None = None, is_converged: bool = False
    ) -> None:
        """The epoch was validated; goes with its report."""
        self._validation = (loss, accuracy)
        self._converged = is_converged

    def _learning_rate(self) -> float:
        return math.nan if self._optimizer is None else float(self._optimizer.param_groups[0]["lr"])
