"""Optimizers and learning rate schedules by their configured names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import optim

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catenary_server.domain.training import OptimizerConfig, SchedulerConfig


def build_optimizer(config: OptimizerConfig, parameters: Iterable[torch.nn.Parameter]) -> optim.Optimizer:
    """The optimizer of a run."""
    shared: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay}
    match config.name:
        case "adam":
            return optim.Adam(parameters, betas=config.betas, **shared)
        case "adamw":
            return optim.AdamW(parameters, betas=config.betas, **shared)
        case "sgd":
            return optim.SGD(parameters, momentum=config.momentum, **shared)


def build_scheduler(
    config: SchedulerConfig, optimizer: optim.Optimizer, *, epochs: int, monitor: str, mode: str, frequency: int
) -> dict[str, Any]:
    """The schedule of a run, as Lightning takes it.

    Args:
        config: name and parameters.
        optimizer: whose learning rate it changes.
        epochs: of the whole run.
        monitor: value that `reduce_on_plateau` watches where the configuration names none.
        mode: `min` or `max`, what `reduce_on_plateau` counts as better.
        frequency: epochs between two values of the monitor.
    """
    scheduler: optim.lr_scheduler.LRScheduler
    match config.name:
        case "step":
            scheduler = optim.lr_scheduler.StepLR(optimizer, config.step_size, config.gamma)
        case "exponential":
            scheduler = optim.lr_scheduler.ExponentialLR(optimizer, config.gamma)
        case "cosine":
            scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, config.t_max or epochs)
        case "reduce_on_plateau":
            plateau = optim.lr_scheduler.ReduceLROnPlateau(
                optimizer, mode="max" if mode == "max" else "min", factor=config.gamma, patience=config.patience
            )
            return {"scheduler": plateau, "monitor": config.monitor or monitor, "frequency": frequency}
    return {"scheduler": scheduler, "interval": "epoch"}
