"""Takes checkpoints of a gradient run: the newest epoch, and the best by a loss or metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lightning.pytorch as pl
import torch

from catenary_server.domain.checkpoint import Checkpoint
from catenary_server.engine import checkpoints

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from lightning.pytorch.callbacks import EarlyStopping

    from catenary_server.domain.training import CheckpointConfig
    from catenary_server.engine.epoch_turns import EpochTurns
    from catenary_server.engine.pipeline_module import PipelineModule


class Checkpointing(pl.Callback):
    """Hands over the state of a run whenever an epoch is wholly done: at the start of the next, or at the end.

    Not at the end of the epoch itself: schedules that watch a metric move only after Lightning's hooks of that name.

    Args:
        config: what to keep.
        optimizer: name of the optimizer.
        module: the pipeline that is trained.
        turns: the batches of an epoch.
        keep: takes the checkpoints.
        best: best value of an earlier part of the run.
    """

    def __init__(
        self,
        config: CheckpointConfig,
        *,
        optimizer: str,
        module: PipelineModule,
        turns: EpochTurns,
        keep: Callable[[Checkpoint], None],
        best: float | None = None,
    ) -> None:
        self._config = config
        self._optimizer = optimizer
        self._module = module
        self._turns = turns
        self._keep = keep
        self._best = best
        self._epochs_kept = -1

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The epoch before is done."""
        del pl_module
        if self._epochs_kept < 0:
            self._epochs_kept = trainer.current_epoch  # nothing has been done yet in this part of the run
        else:
            self._take(trainer, trainer.current_epoch, at_end=False)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The last epoch is done."""
        del pl_module
        self._take(trainer, trainer.current_epoch, at_end=True)

    def _take(self, trainer: pl.Trainer, epochs_done: int, *, at_end: bool) -> None:
        if epochs_done <= self._epochs_kept:
            return
        better = self._improved(trainer)
        due = self._config.save_last and (at_end or epochs_done % self._config.every_n_epochs == 0)
        if not (better or due):
            return
        content = memoryview(self._state(trainer, epochs_done))
        self._epochs_kept = epochs_done
        names: tuple[Literal["best", "last"], ...] = ("best",) * better + ("last",) * due  # type: ignore[assignment]  # mypy widens literals times bool
        for name in names:
            self._keep(Checkpoint(name=name, epochs_done=epochs_done, content=content))

    def _improved(self, trainer: pl.Trainer) -> bool:
        value = trainer.callback_metrics.get(self._config.monitor or "")
        if value is None or not bool(torch.isfinite(value)):
            return False
        found, sign = float(value), 1 if self._config.mode == "max" else -1
        if self._best is not None and sign * found <= sign * self._best:
            return False
        self._best = found
        return True

    def _state(self, trainer: pl.Trainer, epochs_done: int) -> bytes:
        optimizer = trainer.optimizers[0]
        schedules = trainer.lr_scheduler_configs
        stopping = next(iter(trainer.early_stopping_callbacks), None)
        state = checkpoints.RunState(
            epochs_done=epochs_done,
            steps_done=trainer.global_step,
            optimizer=self._optimizer,
            batch_size=self._turns.batches.batch_size,
            learning_rates=[float(group["lr"]) for group in optimizer.param_groups],
            schedule=checkpoints.schedule_state(schedules[0].scheduler) if schedules else {},
            stopping=_stopping_state(stopping),
            best=self._best,
            **checkpoints.random_state(),
        )
        return checkpoints.dump(self._module, optimizer, state, self._turns.batches.generator_state)


def _stopping_state(stopping: EarlyStopping | None) -> dict[str, float]:
    if stopping is None:
        return {}
    return {"wait_count": stopping.wait_count, "best_score": float(stopping.best_score)}


def restore_stopping(stopping: EarlyStopping, state: dict[str, float]) -> None:
    """Let early stopping count on from a checkpoint; one without its state, or damaged, lets it begin anew."""
    if state.keys() >= {"wait_count", "best_score"}:
        stopping.wait_count = int(state["wait_count"])
        stopping.best_score = torch.tensor(state["best_score"])
