"""Telemetry of a Lightning training, as a callback. Needs the extra `lightning`."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Callback
from typing_extensions import override

from catenary_client.telemetry.control import Commands, Setting
from catenary_client.telemetry.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import grpc
    from lightning.pytorch import LightningModule, Trainer

    from catenary_client.telemetry.predictions import Prediction
    from catenary_client.telemetry.settings import TelemetrySettings
    from catenary_client.telemetry.tiles import ArrayLike


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What viewers see of a batch, as `Run.log_batch` takes it."""

    images: ArrayLike | Sequence[bytes] | None = None
    predictions: ArrayLike | Sequence[Prediction] | None = None
    ground_truth: ArrayLike | Sequence[int] | None = None
    accuracy: float = math.nan


class TelemetryCallback(Callback):
    """Reports a training of Lightning and obeys commands between its batches.

    Losses come from what `training_step` returns, validation figures from the metrics `val_loss` and `val_acc`; every
    metric that the module logs is reported under its name. With several processes the first one reports, and the
    learning rate cannot be changed, since the others would not hear of it.

    Args:
        server: `host:port`.
        show: what viewers see of a batch, from the batch and what `training_step` returned; None for figures alone.
        learning_rate: least and greatest learning rate that viewers may set; None for no such command.
        name, run_id, tags, token, credentials, spill_root, settings: as `Run` takes them.
        config: goes above what is known of the trainer and the module.
    """

    def __init__(
        self,
        server: str,
        *,
        show: Callable[[Any, Any], Shown] | None = None,
        learning_rate: tuple[float, float] | None = None,
        name: str = "",
        run_id: str = "",
        tags: Mapping[str, str] | None = None,
        config: Mapping[str, object] | None = None,
        token: str = "",
        credentials: grpc.ChannelCredentials | None = None,
        spill_root: Path | None = None,
        settings: TelemetrySettings | None = None,
    ) -> None:
        self.run: Run | None = None
        """The run; None before the training starts, and in all processes but the first."""
        self._server = server
        self._show = show
        self._learning_rate = learning_rate
        self._name = name
        self._config = dict(config or {})
        self._options: dict[str, Any] = {
            "run_id": run_id,
            "tags": tags,
            "token": token,
            "credentials": credentials,
            "spill_root": spill_root,
            "settings": settings,
        }
        self._losses: list[float] = []
        self._log_every = 1

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Register the run."""
        if not trainer.is_global_zero:
            return
        self._log_every = max(getattr(trainer, "log_every_n_steps", 1), 1)
        known = {
            "model_name": type(pl_module).__name__,
            "total_epochs": max(trainer.max_epochs or 0, 0),
            "batches_per_epoch": _count(trainer.num_training_batches),
            "device_name": str(pl_module.device),
        }
        if trainer.optimizers:
            known["optimizer_name"] = type(trainer.optimizers[0]).__name__
            known["learning_rate"] = float(trainer.optimizers[0].param_groups[0]["lr"])
        self.run = Run(
            self._server,
            name=self._name or type(pl_module).__name__,
            config=known | self._config,
            commands=self._commands(trainer),
            on_stop="return",
            **self._options,
        ).start()

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Report a batch and obey commands."""
        go_on = True
        if self.run is not None:
            loss = _loss(outputs)
            self._losses.append(loss)
            shown = Shown() if self._show is None else self._show(batch, outputs)
            if trainer.logged_metrics and trainer.global_step % self._log_every == 0:
                metrics = {name: float(value) for name, value in trainer.logged_metrics.items()}
                self.run.log_scalars(metrics, step=trainer.global_step)
            go_on = self.run.log_batch(
                loss=loss,
                accuracy=shown.accuracy,
                images=shown.images,
                predictions=shown.predictions,
                ground_truth=shown.ground_truth,
                epoch=trainer.current_epoch,
                batch_idx=batch_idx,
                step=trainer.global_step,
            )
        stop = not go_on
        if trainer.world_size > 1:
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        if stop:
            trainer.should_stop = True

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report an epoch."""
        if self.run is None:
            return
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.run.log_scalars(metrics, step=trainer.global_step)
        self.run.log_epoch(
            loss=sum(self._losses) / len(self._losses) if self._losses else math.nan,
            accuracy=metrics.get("train_acc", math.nan),
            learning_rate=float(trainer.optimizers[0].param_groups[0]["lr"]) if trainer.optimizers else math.nan,
            validation_loss=metrics.get("val_loss"),
            validation_accuracy=metrics.get("val_acc"),
            epoch=trainer.current_epoch,
        )
        self._losses = []

    @override
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Say why the training ended."""
        if self.run is not None:
            interrupted = isinstance(exception, KeyboardInterrupt)
            status = "CANCELLED" if interrupted else "FAILED"
            self.run.status(status, f"{type(exception).__name__}: {exception}")
            self.run.close()

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Wait until everything is durable."""
        if self.run is not None:
            self.run.close()

    def _commands(self, trainer: Trainer) -> Commands:
        if self._learning_rate is None or trainer.world_size > 1 or not trainer.optimizers:
            return Commands()
        minimum, maximum = self._learning_rate
        return Commands(learning_rate=Setting.learning_rate_of(trainer.optimizers[0], minimum=minimum, maximum=maximum))


def _loss(outputs: object) -> float:
    """The loss of what `training_step` returned."""
    value = outputs.get("loss") if isinstance(outputs, dict) else outputs
    return math.nan if value is None else float(value)  # type: ignore[arg-type]  # tensors have __float__


def _count(batches: float) -> int:
    """Batches of an epoch; 0 when the loader does not know."""
    return int(batches) if math.isfinite(batches) else 0
