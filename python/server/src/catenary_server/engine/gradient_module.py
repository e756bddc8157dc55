"""The pipeline as Lightning trains it."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.node import NodeCategory
from catenary_server.domain.training import Stage
from catenary_server.engine.measurement import Measurement
from catenary_server.engine.optimization import build_optimizer, build_scheduler

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightning.pytorch.utilities.types import OptimizerLRScheduler

    from catenary_server.domain.training import TrainRunConfig
    from catenary_server.engine.pipeline_module import Batch, PipelineModule
    from catenary_server.engine.reporting import Reporter


class GradientModule(pl.LightningModule):
    """Sums the losses of a trainrun, reports every step and validation, and publishes each finished epoch.

    Args:
        module: the pipeline to train, in place.
        config: losses, metrics, what learns, optimizer and schedule.
        reporter: takes the messages.
        publish: takes a copy of the pipeline after each epoch.
    """

    def __init__(
        self,
        module: PipelineModule,
        config: TrainRunConfig,
        reporter: Reporter,
        publish: Callable[[PipelineModule], None],
    ) -> None:
        super().__init__()
        self.pipeline = module
        self._config = config
        self._reporter = reporter
        self._publish = publish
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
        return {"optimizer": optimizer, "lr_scheduler": scheduler}  # type: ignore[return-value]  # Lightning types plain dicts loosely

    def on_train_epoch_start(self) -> None:
        """Let schedules of nodes go on; only what learns, losses and monitors are in training mode."""
        self._epoch_losses = {}
        self._switch_modes()
        for _, node in self.pipeline.nodes():
            node.begin_epoch(self.current_epoch, self._config.training.trainer.max_epochs)

    def _switch_modes(self) -> None:
        along = self.pipeline.of_category(NodeCategory.LOSS, NodeCategory.REGULARIZER, NodeCategory.SINK)
        for name, node in self.pipeline.nodes():
            node.train(name in self._learning or name in along)

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
            "losses": {key: float(loss.detach()) for key, loss in losses.items()},
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
        total, epochs = int(self.trainer.num_training_batches), self._config.training.trainer.max_epochs
        self._reporter.send(
            **self._place(batch_idx, self._rate),
            **self._step,
            batches_done=batch_idx + 1,
            batches_total=total,
            epochs_done=self.current_epoch,
            done_share=(self.current_epoch + (batch_idx + 1) / total) / epochs,
        )
        self._reporter.check_stop()

    def on_train_epoch_end(self) -> None:
        """Publish the epoch; its mean losses are for early stopping and schedules."""
        for key, values in self._epoch_losses.items():
            self.log(key, sum(values) / len(values))
        self._publish(copy.deepcopy(self.pipeline).eval())

    def on_validation_epoch_start(self) -> None:
        """Start counting."""
        self.pipeline.eval()
        self._validation = self._new_validation()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure a batch."""
        del batch_idx
        self._validation.update(batch)
        self._reporter.check_stop()

    def on_validation_epoch_end(self) -> None:
        """Report the validation."""
        losses, metrics = self._validation.losses(), self._validation.metrics()
        self.log_dict({**losses, **metrics})
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
