"""The pipeline as Lightning trains it."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
from torch import Tensor, distributed

from catenary_server.domain.control import ControlAction
from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.node import NodeCategory
from catenary_server.domain.training import Stage
from catenary_server.engine import checkpoints
from catenary_server.engine.epoch_turns import EpochTurns, Turn
from catenary_server.engine.measurement import Measurement
from catenary_server.engine.optimization import build_optimizer, build_scheduler

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightning.pytorch.utilities.types import OptimizerLRScheduler
    from torch.optim import Optimizer

    from catenary_server.domain.training import TrainRunConfig
    from catenary_server.engine.checkpoints import SavedRun
    from catenary_server.engine.pipeline_module import Batch, PipelineModule
    from catenary_server.engine.reporting import Reporter


class GradientModule(pl.LightningModule):
    """Sums the losses of a trainrun, reports every step and validation, and publishes each finished epoch.

    Args:
        module: the pipeline to train, in place.
        config: losses, metrics, what learns, optimizer and schedule.
        turns: the batches of an epoch.
        reporter: takes the messages, and says what is asked of the run.
        publish: takes a copy of the pipeline after each epoch.
        saved: the checkpoint that the run is taken up from.
    """

    def __init__(
        self,
        module: PipelineModule,
        config: TrainRunConfig,
        turns: EpochTurns,
        *,
        reporter: Reporter,
        publish: Callable[[PipelineModule], None],
        saved: SavedRun | None = None,
    ) -> None:
        super().__init__()
        self.pipeline = module
        self._config = config
        self._turns = turns
        self._reporter = reporter
        self._publish = publish
        self._saved = saved
        self._learning = set_learning(module, config)
        self._epoch_losses: dict[str, list[float]] = {}
        self._step: dict[str, dict[str, float]] = {}
        self._rate = config.training.optimizer.lr
        self._validation = self._new_validation()

    @property
    def monitors(self) -> tuple[str, ...]:
        """Keys that early stopping and schedules may watch."""
        losses = tuple(f"{name}_loss" for name in self._config.loss_nodes)
        watched = (*losses, *self._config.metric_nodes)
        return (*losses, *(f"val_{key}" for key in watched))

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Optimizer and schedule of the configuration."""
        training = self._config.training
        parameters = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = build_optimizer(training.optimizer, parameters)
        if training.scheduler is None:
            self._restore(optimizer, None)
            return optimizer
        monitor = training.scheduler.monitor or self.monitors[0]
        scheduler = build_scheduler(
            training.scheduler,
            optimizer,
            epochs=training.trainer.max_epochs,
            monitor=monitor,
            mode="min" if monitor.endswith("_loss") else "max",
            frequency=training.trainer.check_val_every_n_epoch if monitor.startswith("val_") else 1,
        )
        self._restore(optimizer, scheduler["scheduler"])
        return {"optimizer": optimizer, "lr_scheduler": scheduler}  # type: ignore[return-value]  # Lightning types plain dicts loosely

    def _restore(self, optimizer: Optimizer, scheduler: object) -> None:
        """After the schedule was made, which sets the learning rate."""
        if self._saved is not None:
            if scheduler is not None:
                checkpoints.restore_schedule(self._saved, scheduler)
            checkpoints.restore_optimizer(self._saved, optimizer, self._config.training.optimizer.name)

    def on_train_start(self) -> None:
        """Say what may be changed while the run goes on."""
        setters = {ControlAction.LEARNING_RATE: self._set_rate, ControlAction.BATCH_SIZE: self._set_batch_size}
        self._reporter.control.allow(setters)

    def on_train_epoch_start(self) -> None:
        """Let schedules of nodes go on; only what learns, losses and monitors are in training mode."""
        if self._saved is not None:
            # Here, because here is where the checkpoint was taken: nothing has drawn random numbers since.
            checkpoints.restore_random(self._saved)
            self._saved = None
        self._epoch_losses = {}
        self._turns.begin_epoch()
        self._switch_modes()
        for _, node in self.pipeline.nodes():
            node.begin_epoch(self.current_epoch, self._config.training.trainer.max_epochs)

    def _switch_modes(self) -> None:
        along = self.pipeline.of_category(NodeCategory.LOSS, NodeCategory.REGULARIZER, NodeCategory.SINK)
        for name, node in self.pipeline.nodes():
            node.train(name in self._learning or name in along)

    def on_before_batch_transfer(self, batch: Batch | Turn, dataloader_idx: int) -> Batch:
        """The batch whose turn it is."""
        del dataloader_idx
        return self._turns.draw() if isinstance(batch, Turn) else batch

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Losses and metrics of a batch; None leaves the step out."""
        del batch_idx
        self._rate = self._current_rate()  # before the step: at the end of an epoch a schedule changes it
        monitors = self.pipeline.of_category(NodeCategory.SINK)
        names = {*self._config.loss_nodes, *self._config.metric_nodes, *monitors}
        with self.pipeline.profiler.stage(Stage.TRAIN):
            values = self.pipeline.compute(batch, names)
        losses = {f"{name}_loss": values[name]["loss"] for name in self._config.loss_nodes if name in values}
        if not losses:
            raise Failure(Reason.DATASET_INVALID, "no loss can be computed: the data has no ground truth for it")
        self._step = {
            "losses": self._mean_over_ranks({key: loss.detach() for key, loss in losses.items()}),
            "metrics": {name: float(values[name]["value"]) for name in self._config.metric_nodes if name in values},
        }
        return self._checked(torch.stack(list(losses.values())).sum())

    def _checked(self, total: Tensor) -> Tensor | None:
        if not total.requires_grad:
            description = "no weight that learns takes part in these losses"
            raise Failure(Reason.CONFIG_INVALID, description, violations=(Violation("loss_nodes", description),))
        if bool(torch.isfinite(total)):
            return total
        if self._config.training.on_non_finite_loss == "skip":
            return None
        wrong = ", ".join(key for key, value in self._step["losses"].items() if not math.isfinite(value))
        raise Failure(
            Reason.NON_FINITE_LOSS,
            f"the loss is not finite in epoch {self.current_epoch}, step {self.global_step} ({wrong or 'their sum'}): "
            "lower the learning rate, clip gradients, or check the data",
        )

    def on_train_batch_end(self, outputs: object, batch: Batch, batch_idx: int) -> None:
        """Report the step."""
        del outputs, batch
        for key, value in self._step["losses"].items():
            self._epoch_losses.setdefault(key, []).append(value)
        total, epochs = batch_idx + 1 + self._turns.batches.remaining, self._config.training.trainer.max_epochs
        self._reporter.send(
            **self._place(batch_idx, self._rate),
            **self._step,
            batches_done=batch_idx + 1,
            batches_total=total,
            epochs_done=self.current_epoch,
            done_share=(self.current_epoch + (batch_idx + 1) / total) / epochs,
        )
        self._pass_boundary()

    def on_train_epoch_end(self) -> None:
        """Publish the epoch; its mean losses are for early stopping and schedules."""
        for key, values in self._epoch_losses.items():
            self.log(key, sum(values) / len(values), sync_dist=self.trainer.world_size > 1)
        self._publish(copy.deepcopy(self.pipeline).eval())

    def on_validation_epoch_start(self) -> None:
        """Start counting."""
        self.pipeline.eval()
        self._validation = self._new_validation()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure a batch."""
        del batch_idx
        with self.pipeline.profiler.stage(Stage.VALIDATE):
            self._validation.update(batch)
        self._pass_boundary()

    def on_validation_epoch_end(self) -> None:
        """Report the validation."""
        losses, metrics = self._validation.losses(), self._validation.metrics()
        self.log_dict({**losses, **metrics}, sync_dist=self.trainer.world_size > 1)
        done = self.current_epoch + 1
        share = done / self._config.training.trainer.max_epochs
        self._reporter.send(
            stage=Stage.VALIDATE,
            **self._place(0, self._current_rate()),
            losses=losses,
            metrics=metrics,
            epochs_done=done,
            done_share=share,
        )
        self._switch_modes()
        self._pass_boundary()  # a stop heard since the last batch must not wait for a step of the next epoch

    def _pass_boundary(self) -> None:
        """Obey what was asked; of several processes, the first hears it and tells the others."""
        self._reporter.at_boundary()
        if self.trainer.world_size == 1:
            return
        settings = torch.tensor([self._current_rate(), self._turns.batches.batch_size], dtype=torch.float64)
        settings = settings.to(self.device)
        distributed.broadcast(settings, src=0)
        rate, batch_size = settings.tolist()
        if rate != self._current_rate():
            self._set_rate(rate)
        if batch_size != self._turns.batches.batch_size:
            self._set_batch_size(batch_size)

    def _mean_over_ranks(self, losses: dict[str, Tensor]) -> dict[str, float]:
        """Losses of the batch, of which several processes have a part each."""
        values = torch.stack(list(losses.values()))
        if self.trainer.world_size > 1:
            distributed.all_reduce(values)
            values /= self.trainer.world_size
        return dict(zip(losses, values.tolist(), strict=True))

    def _set_rate(self, value: float) -> float:
        before = self._current_rate()
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = value
        return before

    def _set_batch_size(self, value: float) -> float:
        before = self._turns.batches.batch_size
        self._turns.batches.resize(int(value))
        return before

    def _current_rate(self) -> float:
        return float(self.trainer.optimizers[0].param_groups[0]["lr"])

    def _place(self, batch_idx: int, rate: float) -> dict[str, Any]:
        return {
            "epoch": self.current_epoch,
            "batch_index": batch_idx,
            "global_step": self.global_step,
            "epochs_total": self._config.training.trainer.max_epochs,
            "learning_rate": rate,
        }

    def _new_validation(self) -> Measurement:
        return Measurement(self.pipeline, self._config.loss_nodes, self._config.metric_nodes, "val_")


def set_learning(module: PipelineModule, config: TrainRunConfig) -> frozenset[str]:
    """Decide which weights follow gradients; the names of their nodes.

    Raises:
        Failure: CONFIG_INVALID if none do.
    """
    learning = set()
    for name, node in module.nodes():
        learns = name in config.unfreeze_nodes or (node.declaration.learns and name not in config.freeze_nodes)
        for parameter in node.parameters():
            parameter.requires_grad_(learns)
        if learns and any(True for _ in node.parameters()):
            learning.add(name)
    if not learning:
        description = "no node of the pipeline learns: freeze fewer nodes, or list one in unfreeze_nodes"
        raise Failure(Reason.CONFIG_INVALID, description, violations=(Violation("freeze_nodes", description),))
    return frozenset(learning)
