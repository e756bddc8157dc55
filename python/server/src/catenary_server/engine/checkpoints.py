"""The state of a gradient run as one safetensors file: weights, optimizer, schedule, early stopping, random numbers.

Nothing is pickled, neither here nor by Lightning's own checkpoints, which are therefore off: a run is taken up from a
file that a client names and may have written, and reading a pickle runs code (CVE-2025-32434 and CVE-2026-24747 got
past `weights_only=True`). Tensors lie in the file by name, everything else as JSON in its header; both are checked
before they are used. Weights have the names that a file of weights has, so a checkpoint can be loaded as one.
"""

from __future__ import annotations

import dataclasses
import json
import random
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pydantic
import safetensors.torch
import torch

from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.engine import weights as weight_files
from catenary_server.engine.devices import accelerator_in_use

if TYPE_CHECKING:
    from torch import Tensor

    from catenary_server.engine.pipeline_module import PipelineModule
    from catenary_server.engine.scene_batches import SceneBatches

STATE_KEY = "catenary.checkpoint"
"""Key of the JSON in the header."""

_OPTIMIZER, _RNG = "optimizer", "rng"
_SCHEDULE_PROGRESS = frozenset(
    {"last_epoch", "_step_count", "_last_lr", "base_lrs", "best", "num_bad_epochs", "cooldown_counter"}
)


class RunState(pydantic.BaseModel):
    """All of a checkpoint that is no tensor. Settings are not in it: those of the configuration hold."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")

    version: int = pydantic.Field(default=1, ge=1, le=1)
    epochs_done: int = pydantic.Field(ge=1)
    steps_done: int = pydantic.Field(ge=0)
    optimizer: str
    batch_size: int = pydantic.Field(ge=1, le=4096)
    learning_rates: list[float]
    schedule: dict[str, float | list[float]] = {}
    stopping: dict[str, float] = {}
    best: float | None = None
    python_random: list[int]
    numpy_random: list[int]
    numpy_position: int = pydantic.Field(ge=0, le=624)


@dataclasses.dataclass(frozen=True, slots=True)
class SavedRun:
    """A checkpoint that was read: its state, its tensors by name, and its bytes as a file of weights."""

    state: RunState
    tensors: dict[str, Tensor]
    content: bytes

    def load_weights(self, module: PipelineModule) -> None:
        """Put the weights and statistics in place.

        Raises:
            Failure: WEIGHTS_MISMATCH.
        """
        weight_files.load_weights(module, memoryview(self.content), strict=True)


def dump(module: PipelineModule, optimizer: torch.optim.Optimizer, state: RunState, order: Tensor | None) -> bytes:
    """The bytes of a checkpoint.

    Args:
        module: weights and statistics.
        optimizer: whose moments to keep.
        state: everything that is no tensor.
        order: state of the generator that shuffles the data.
    """
    tensors = weight_files.weights_of(module)
    for index, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            tensors[_extra(_OPTIMIZER, index, name)] = torch.as_tensor(value).detach().cpu().contiguous()
    tensors[_extra(_RNG, "torch")] = torch.get_rng_state()
    if accelerator_in_use():
        # Of the device that this thread computes on; Lightning has chosen it.
        tensors[_extra(_RNG, "cuda")] = torch.cuda.get_rng_state()
    if order is not None:
        tensors[_extra(_RNG, "order")] = order
    return safetensors.torch.save(tensors, metadata={STATE_KEY: state.model_dump_json()})


def read(content: memoryview) -> SavedRun:
    """Read and check the bytes of a checkpoint.

    Raises:
        Failure: WEIGHTS_FORMAT_FORBIDDEN for a pickle, CONFIG_INVALID for anything else that is no checkpoint.
    """
    data = bytes(content)
    try:
        tensors = weight_files.parse(data)
        (length,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8 : 8 + length])
        state = RunState.model_validate_json(header["__metadata__"][STATE_KEY])
    except (KeyError, TypeError, struct.error, ValueError) as error:
        raise unusable("the file is no checkpoint, or it is damaged") from error
    except Failure as failure:
        if failure.reason is Reason.WEIGHTS_CORRUPT:
            raise unusable("the file is no checkpoint, or it is damaged") from failure
        raise
    return SavedRun(state, tensors, data)


def restore_optimizer(saved: SavedRun, optimizer: torch.optim.Optimizer, name: str) -> None:
    """Give an optimizer its moments and its learning rates back; its other settings are the configuration's.

    Raises:
        Failure: CONFIG_INVALID if the checkpoint is that of another optimizer or of other weights.
    """
    wanted = optimizer.state_dict()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if saved.state.optimizer != name or len(saved.state.learning_rates) != len(wanted["param_groups"]):
        raise unusable(f"the checkpoint was made with the optimizer {saved.state.optimizer!r}")
    moments: dict[int, dict[str, Any]] = {}
    for key, tensor in saved.tensors.items():
        kind, _, rest = key.removeprefix(weight_files.EXTRA).partition(".")
        if not key.startswith(weight_files.EXTRA) or kind != _OPTIMIZER:
            continue
        place, _, moment = rest.partition(".")
        index = int(place) if place.isdecimal() else len(parameters)
        if index >= len(parameters) or tensor.shape not in (parameters[index].shape, torch.Size()):
            raise unusable("the checkpoint is that of other weights: freeze the same nodes as then")
        moments.setdefault(index, {})[moment] = tensor
    for group, rate in zip(wanted["param_groups"], saved.state.learning_rates, strict=True):
        group["lr"] = rate
    optimizer.load_state_dict({"state": moments, "param_groups": wanted["param_groups"]})


def schedule_state(scheduler: Any) -> dict[str, float | list[float]]:  # noqa: ANN401 - torch's schedules share no type
    """Where a schedule of the learning rate is."""
    state = scheduler.state_dict()
    return {key: state[key] for key in sorted(_SCHEDULE_PROGRESS & state.keys())}


def restore_schedule(saved: SavedRun, scheduler: Any) -> None:  # noqa: ANN401 - as above
    """Let a schedule go on where it was; its settings are the configuration's."""
    current = scheduler.state_dict()
    for key in _SCHEDULE_PROGRESS & current.keys() & saved.state.schedule.keys():
        value = saved.state.schedule[key]
        # JSON has one kind of number; schedules count in whole ones.
        current[key] = int(value) if isinstance(current[key], int) and isinstance(value, float) else value
    scheduler.load_state_dict(current)


def random_state() -> dict[str, Any]:
    """The fields of `RunState` that hold Python's and numpy's random numbers."""
    _, words, position, *_ = np.random.get_state(legacy=True)  # noqa: NPY002 - the generator that nodes may use
    return {
        "python_random": list(random.getstate()[1]),
        "numpy_random": [int(word) for word in words],
        "numpy_position": int(position),
    }


def restore_random(saved: SavedRun) -> None:
    """Put all random numbers, but those of the order, back to where they were.

    Raises:
        Failure: CONFIG_INVALID.
    """
    try:
        torch.set_rng_state(saved.tensors[_extra(_RNG, "torch")])
        state = saved.tensors.get(_extra(_RNG, "cuda"))
        if state is not None and accelerator_in_use():
            torch.cuda.set_rng_state(state)
        random.setstate((3, tuple(saved.state.python_random), None))
        words = np.array(saved.state.numpy_random, np.uint32)
        np.random.set_state(("MT19937", words, saved.state.numpy_position, 0, 0.0))  # noqa: NPY002 - as above
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise unusable("its random numbers are damaged") from error


def restore_order(saved: SavedRun, batches: SceneBatches) -> None:
    """Let the order of the data go on where it was.

    Raises:
        Failure: CONFIG_INVALID.
    """
    state = saved.tensors.get(_extra(_RNG, "order"))
    if state is not None:
        try:
            batches.restore_generator(state)
        except (TypeError, RuntimeError) as error:
            raise unusable("its random numbers are damaged") from error


def unusable(description: str) -> Failure:
    """A checkpoint that the run cannot be taken up from."""
    key = "training.resume_from"
    return Failure(Reason.CONFIG_INVALID, f"{key}: {description}", violations=(Violation(key, description),))


def _extra(*parts: object) -> str:
    return weight_files.EXTRA + ".".join(map(str, parts))
