"""The phase that trains weights by gradients."""

from __future__ import annotations

import dataclasses
import logging
import warnings
from typing import TYPE_CHECKING, NamedTuple

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping

from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.graph import check_graph
from catenary_server.domain.training import Phase, Stage
from catenary_server.engine import checkpoints
from catenary_server.engine.checkpointing import Checkpointing, restore_stopping
from catenary_server.engine.epoch_turns import EpochTurns
from catenary_server.engine.gradient_module import GradientModule
from catenary_server.engine.pipeline_module import PipelineModule, build_module
from catenary_server.engine.ranks import RankTask, die_with_worker, joined, strategy_of
from catenary_server.engine.reporting import Reporter
from catenary_server.engine.scene_batches import WHOLE, Share, open_batches
from catenary_server.engine.step_control import StepControl
from catenary_server.engine.weights import load_weights
from catenary_server.nodes.node import StatisticalNode

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from catenary_server.domain.checkpoint import Checkpoint
    from catenary_server.domain.training import TrainRunConfig
    from catenary_server.engine.checkpoints import SavedRun


class Outlets(NamedTuple):
    """Where a run puts what it makes."""

    publish: Callable[[PipelineModule], None]
    keep: Callable[[Checkpoint], None]


class Placing(NamedTuple):
    """Where the processes of a run compute, and which of them this one is."""

    devices: tuple[torch.device, ...]
    share: Share = WHOLE


def train_gradients(
    module: PipelineModule,
    config: TrainRunConfig,
    reporter: Reporter,
    outlets: Outlets,
    *,
    placing: Placing,
    checkpoint: memoryview | None = None,
) -> int:
    """Train for the configured epochs or until early stopping; the number of epochs done.

    Args:
        module: the pipeline to train, in place.
        config: the trainrun.
        reporter: takes the messages.
        outlets: take the pipeline after each epoch, and the checkpoints.
        placing: where this process computes, and which part of each batch is its own.
        checkpoint: what to take the run up from.

    Raises:
        Failure: CONFIG_INVALID, STATE_INVALID without statistics, NON_FINITE_LOSS, TRAIN_CANCELLED, DATASET_*, or what
            a node raises.
    """
    _require_losses(config)
    saved = None if checkpoint is None else _taken_up(module, config, checkpoint)
    _require_statistics(module, config)
    seed = config.training.seed if config.data is not None and config.data.shuffle else None
    turns = EpochTurns(open_batches(config.data, Stage.TRAIN, seed=seed, share=placing.share))
    trained = GradientModule(module, config, turns, reporter=reporter, publish=outlets.publish, saved=saved)
    _require_monitors(trained, config)
    validation = open_batches(config.data, Stage.VALIDATE)
    trained.train()  # else Lightning warns; every epoch sets the mode of each node by itself
    stopping = _early_stopping(config, saved)
    checkpointing = _checkpointing(module, config, turns, outlets.keep, saved)
    trainer = _trainer(config, placing, [each for each in (stopping, checkpointing) if each is not None])
    if saved is not None:
        _count_from(trainer, turns, saved)
    trainer.fit(trained, train_dataloaders=turns, val_dataloaders=validation)
    return int(trainer.current_epoch)


def silence_lightning() -> None:
    """Leave out of this process's log what Lightning says to the author of a script, not to who reads that log."""
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # a name that torch has deprecated
    warnings.filterwarnings("ignore", message="GPU available but not used.*")  # the client asked for the CPU


def take_part(task: RankTask, ready: Connection) -> None:
    """The whole life of a process that helps the worker with a run; `ready` hears when it is about to join."""
    die_with_worker()
    silence_lightning()
    torch.set_num_threads(1)
    place = torch.device(task.devices[task.rank])
    if place.type == "cuda":
        torch.cuda.set_device(place)
    specs = {name: dataclasses.replace(node.spec(), class_name=name) for name, node in task.types.items()}
    module = build_module(task.pipeline, check_graph(task.pipeline, specs), task.types)
    load_weights(module, memoryview(task.weights), strict=False)
    module = module.to(place)
    pl.seed_everything(task.config.training.seed, verbose=False)
    devices = tuple(torch.device(name) for name in task.devices)
    reporter = Reporter(lambda _: None, Phase.GRADIENT, StepControl())
    silent = Outlets(publish=lambda _: None, keep=lambda _: None)
    checkpoint = None if task.checkpoint is None else memoryview(task.checkpoint)
    ready.send_bytes(b"ready")
    with joined(task):
        placing = Placing(devices, task.share)
        train_gradients(module, task.config, reporter, silent, placing=placing, checkpoint=checkpoint)


def _taken_up(module: PipelineModule, config: TrainRunConfig, checkpoint: memoryview) -> SavedRun:
    saved = checkpoints.read(checkpoint)
    if saved.state.epochs_done >= config.training.trainer.max_epochs:
        raise checkpoints.unusable(
            f"the checkpoint has {saved.state.epochs_done} epochs done already: raise training.trainer.max_epochs"
        )
    saved.load_weights(module)
    return saved


def _count_from(trainer: pl.Trainer, turns: EpochTurns, saved: SavedRun) -> None:
    """Let Lightning count epochs and steps from a checkpoint on, and the order of the data go on there."""
    progress = trainer.fit_loop.epoch_progress.current
    for count in ("ready", "started", "processed", "completed"):
        setattr(progress, count, saved.state.epochs_done)  # typed as the base of what it is
    steps = trainer.fit_loop.epoch_loop.automatic_optimization.optim_progress.optimizer.step.total
    steps.ready = steps.completed = saved.state.steps_done
    checkpoints.restore_order(saved, turns.batches)
    turns.batches.resize(saved.state.batch_size)


def _early_stopping(config: TrainRunConfig, saved: SavedRun | None) -> EarlyStopping | None:
    stopping = config.training.callbacks.early_stopping
    if stopping is None:
        return None
    callback = EarlyStopping(
        stopping.monitor,
        mode=stopping.mode,
        patience=stopping.patience,
        min_delta=stopping.min_delta,
        check_finite=False,
        check_on_train_epoch_end=not stopping.monitor.startswith("val_"),
    )
    if saved is not None:
        restore_stopping(callback, saved.state.stopping)
    return callback


def _checkpointing(
    module: PipelineModule,
    config: TrainRunConfig,
    turns: EpochTurns,
    keep: Callable[[Checkpoint], None],
    saved: SavedRun | None,
) -> Checkpointing | None:
    wanted = config.training.callbacks.checkpoint
    if wanted is None:
        return None
    return Checkpointing(
        wanted,
        optimizer=config.training.optimizer.name,
        module=module,
        turns=turns,
        keep=keep,
        best=None if saved is None else saved.state.best,
    )


def _trainer(config: TrainRunConfig, placing: Placing, callbacks: list[pl.Callback]) -> pl.Trainer:
    # Lightning tells a console about devices; whoever trains here watches the stream instead.
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    settings, devices = config.training.trainer, placing.devices
    on_cpu = devices[0].type == "cpu"
    return pl.Trainer(
        max_epochs=settings.max_epochs,
        accelerator="cpu" if on_cpu else "gpu",
        devices=len(devices) if on_cpu else [device.index or 0 for device in devices],
        strategy="auto" if len(devices) == 1 else strategy_of(placing.share, devices),
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
    scheduler, callbacks = config.training.scheduler, config.training.callbacks
    stopping, kept = callbacks.early_stopping, callbacks.checkpoint
    watched = {
        "training.scheduler.monitor": scheduler.monitor if scheduler is not None else None,
        "training.callbacks.early_stopping.monitor": stopping.monitor if stopping is not None else None,
        "training.callbacks.checkpoint.monitor": kept.monitor if kept is not None else None,
    }
    for key, monitor in watched.items():
        if monitor is not None and monitor not in trained.monitors:
            raise _invalid(key, f"{monitor!r} is not reported in this run; there are: {', '.join(trained.monitors)}")


def _invalid(key: str, description: str) -> Failure:
    return Failure(Reason.CONFIG_INVALID, f"{key}: {description}", violations=(Violation(key, description),))
