"""The phase that trains weights by gradients."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import lightning.pytorch as pl
from lightning.pytorch.callbacks import EarlyStopping

from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.training import Stage
from catenary_server.engine.gradient_module import GradientModule
from catenary_server.engine.scene_batches import open_batches
from catenary_server.nodes.node import StatisticalNode

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from catenary_server.domain.training import TrainRunConfig
    from catenary_server.engine.pipeline_module import PipelineModule
    from catenary_server.engine.reporting import Reporter


def train_gradients(
    module: PipelineModule,
    config: TrainRunConfig,
    reporter: Reporter,
    publish: Callable[[PipelineModule], None],
    device: torch.device,
) -> int:
    """Train for the configured epochs or until early stopping; the number of epochs done.

    Raises:
        Failure: CONFIG_INVALID, STATE_INVALID without statistics, NON_FINITE_LOSS, TRAIN_CANCELLED, DATASET_*, or what
            a node raises.
    """
    _require_losses(config)
    _require_statistics(module, config)
    trained = GradientModule(module, config, reporter, publish)
    _require_monitors(trained, config)
    seed = config.training.seed if config.data is not None and config.data.shuffle else None
    batches = open_batches(config.data, Stage.TRAIN, seed=seed)
    validation = open_batches(config.data, Stage.VALIDATE)
    trained.train()  # else Lightning warns; every epoch sets the mode of each node by itself
    trainer = _trainer(config, device)
    trainer.fit(trained, train_dataloaders=batches, val_dataloaders=validation)
    return int(trainer.current_epoch)


def _trainer(config: TrainRunConfig, device: torch.device) -> pl.Trainer:
    # Lightning tells a console about devices; whoever trains here watches the stream instead.
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    settings = config.training.trainer
    stopping = config.training.callbacks.early_stopping
    callbacks: list[pl.Callback] = []
    if stopping is not None:
        callbacks.append(
            EarlyStopping(
                stopping.monitor,
                mode=stopping.mode,
                patience=stopping.patience,
                min_delta=stopping.min_delta,
                check_finite=False,
                check_on_train_epoch_end=not stopping.monitor.startswith("val_"),
            )
        )
    return pl.Trainer(
        max_epochs=settings.max_epochs,
        accelerator="cpu" if device.type == "cpu" or settings.accelerator == "cpu" else "gpu",
        devices=1,
        gradient_clip_val=settings.gradient_clip_val,
        check_val_every_n_epoch=settings.check_val_every_n_epoch,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def _require_losses(config: TrainRunConfig) -> None:
    if not config.loss_nodes:
        raise _invalid("loss_nodes", "the gradient phase needs at least one loss node")
    if config.training.trainer.devices > 1:
        raise _invalid("training.trainer.devices", "a session trains on one device")


def _require_statistics(module: PipelineModule, config: TrainRunConfig) -> None:
    for name in module.graph.ancestors(frozenset(config.loss_nodes)):
        node = module.node(name)
        if isinstance(node, StatisticalNode) and not node.is_fitted:
            raise Failure(
                Reason.STATE_INVALID,
                f"node {name!r} ({module.graph.types[name].class_name}) has no statistics yet: run the statistical "
                "phase before the gradient phase, or load weights",
            )


def _require_monitors(trained: GradientModule, config: TrainRunConfig) -> None:
    scheduler, stopping = config.training.scheduler, config.training.callbacks.early_stopping
    watched = {
        "training.scheduler.monitor": scheduler.monitor if scheduler is not None else None,
        "training.callbacks.early_stopping.monitor": stopping.monitor if stopping is not None else None,
    }
    for key, monitor in watched.items():
        if monitor is not None and monitor not in trained.monitors:
            raise _invalid(key, f"{monitor!r} is not reported in this run; there are: {', '.join(trained.monitors)}")


def _invalid(key: str, description: str) -> Failure:
    return Failure(Reason.CONFIG_INVALID, f"{key}: {description}", violations=(Violation(key, description),))
