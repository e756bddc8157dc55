"""Optimizers and schedules against what their papers say, computed here by numpy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from catenary_server.domain.training import OptimizerConfig, SchedulerConfig
from catenary_server.engine.optimization import build_optimizer, build_scheduler

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS = 6
START = np.array([1.0, -2.0, 0.5])
CURVATURE = np.array([1.0, 0.3, 4.0])


def descended(config: OptimizerConfig) -> np.ndarray[Any, Any]:
    """Where the optimizer takes the weights in a bowl of this curvature."""
    weights = torch.nn.Parameter(torch.tensor(START))
    optimizer = build_optimizer(config, [weights])
    for _ in range(STEPS):
        optimizer.zero_grad()
        torch.autograd.backward((0.5 * torch.tensor(CURVATURE) * weights**2).sum())
        optimizer.step()
    return weights.detach().numpy()


def test_sgd_is_that_of_polyak() -> None:
    """Heavy ball (Polyak 1964): v <- m v + g + decay w; w <- w - lr v."""
    weights, velocity = START.copy(), np.zeros(3)
    for _ in range(STEPS):
        velocity = 0.9 * velocity + CURVATURE * weights + 0.01 * weights
        weights -= 0.05 * velocity
    found = descended(OptimizerConfig(name="sgd", lr=0.05, momentum=0.9, weight_decay=0.01))
    np.testing.assert_allclose(found, weights, rtol=1e-12)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_is_that_of_its_papers(name: Any) -> None:
    """Kingma & Ba (2015), algorithm 1; with the decay apart, Loshchilov & Hutter (2019), algorithm 2."""
    rate, decay, (first, second) = 0.1, 0.02, (0.8, 0.99)
    weights, mean, square = START.copy(), np.zeros(3), np.zeros(3)
    for step in range(1, STEPS + 1):
        gradient = CURVATURE * weights
        if name == "adam":
            gradient = gradient + decay * weights
        else:
            weights -= rate * decay * weights
        mean = first * mean + (1 - first) * gradient
        square = second * square + (1 - second) * gradient**2
        corrected = mean / (1 - first**step), square / (1 - second**step)
        weights -= rate * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)
    config = OptimizerConfig(name=name, lr=rate, weight_decay=decay, betas=(first, second))
    np.testing.assert_allclose(descended(config), weights, rtol=1e-9)


def rates(config: SchedulerConfig, epochs: int, values: Iterator[float] | None = None) -> list[float]:
    """The learning rate of each epoch, beginning with 1."""
    weights = torch.nn.Parameter(torch.zeros(1))
    optimizer = build_optimizer(OptimizerConfig(name="sgd", lr=1.0), [weights])
    built = build_scheduler(config, optimizer, epochs=epochs, monitor="loss", mode="min", frequency=1)
    found = []
    for _ in range(epochs):
        found.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        built["scheduler"].step(*(() if values is None else (next(values),)))
    return found


def test_schedules_are_their_formulas() -> None:
    epochs = range(9)
    step = SchedulerConfig(name="step", step_size=3, gamma=0.5)
    assert rates(step, 9) == pytest.approx([0.5 ** (epoch // 3) for epoch in epochs])
    assert rates(SchedulerConfig(name="exponential", gamma=0.9), 9) == pytest.approx([0.9**epoch for epoch in epochs])
    # Loshchilov & Hutter (2017), equation 5, without restarts.
    cosine = [(1 + math.cos(math.pi * epoch / 9)) / 2 for epoch in epochs]
    assert rates(SchedulerConfig(name="cosine"), 9) == pytest.approx(cosine)
    half = [(1 + math.cos(math.pi * epoch / 4)) / 2 for epoch in range(5)]
    assert rates(SchedulerConfig(name="cosine", t_max=4), 5) == pytest.approx(half, abs=1e-12)


def test_a_plateau_lowers_the_rate_after_its_patience() -> None:
    losses = iter([5.0, 4.0, 4.5, 4.4, 4.3, 3.0, 3.5])
    config = SchedulerConfig(name="reduce_on_plateau", patience=2, gamma=0.1, monitor="loss")
    # The best is 4.0; the third epoch in a row above it is one more than the patience.
    assert rates(config, 7, losses) == pytest.approx([1, 1, 1, 1, 1, 0.1, 0.1])
