"""A record of what goes on in a pipeline: numbers and small pictures over the steps."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - the parameters read their annotations
from typing import TYPE_CHECKING, Literal

import torch
from torch import distributed

from catenary_server.domain.node import NodeCategory, PortSpec
from catenary_server.domain.tensor import DType
from catenary_server.nodes.node import Declaration, Node, Outputs
from catenary_server.nodes.params import NodeParams, param
from catenary_server.nodes.step_log import Place, StepLog

if TYPE_CHECKING:
    from torch import Tensor

_RED_GREEN_BLUE = 3


class TelemetryMonitorParams(NodeParams):
    """Parameters of `TelemetryMonitor`."""

    output_dir: Path = param(description="folder below the artifact root that the record goes to")
    run_name: str = param("", description="name of the record, <run_name>.jsonl; empty = `record`")
    comment: str = param("", description="what the record is about; stands in each line that begins one")
    every: int = param(1, ge=1, description="a step in so many is recorded")
    tile_size: int = param(
        128, ge=1, le=4096, description="longest side of a picture in pixels; larger ones are thinned"
    )
    max_tiles: int = param(64, ge=0, le=10_000, description="pictures to keep; the next one replaces the oldest")


class TelemetryMonitor(Node[TelemetryMonitorParams]):
    """Records numbers and pictures that other nodes compute, step by step, as lines of JSON in `output_dir`.

    Any number of connections may end in each of its ports; what they bring is recorded under `<node>.<port>`. Each line
    of the record is an object with `name`, `value` (or `tile`, the file of a picture), `stage` (`train` or
    `inference`), `epoch` (of a run; null otherwise), `step` (counted from 0 in each stage) and `time` (Unix seconds).
    Where devices share the batches of a run, the record is of the first one's share.
    """

    declaration = Declaration(
        params=TelemetryMonitorParams,
        category=NodeCategory.SINK,
        tags=("TRAINING", "EVALUATION", "INFERENCE"),
        inputs=(
            PortSpec(
                name="metrics", dtype=DType.FLOAT32, shape=(), optional=True, variadic=True, description="numbers"
            ),
            PortSpec(
                name="artifacts",
                dtype=DType.FLOAT32,
                shape=(-1, -1, -1, -1),
                optional=True,
                variadic=True,
                description="images or score maps, [B, H, W, C]; three channels are colours, else the first is shown",
            ),
        ),
    )

    def __init__(self, params: TelemetryMonitorParams) -> None:
        super().__init__(params)
        self._epoch: int | None = None
        self._steps: dict[str, int] = {}
        self._log = StepLog(params.output_dir, params.run_name or "record", params.comment, params.max_tiles)

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Note the epoch; a run begins with epoch 0."""
        del epochs
        self._epoch = epoch
        if epoch == 0:
            self._steps.pop("train", None)

    @torch.no_grad()
    def forward(self, metrics: dict[str, Tensor] | None = None, artifacts: dict[str, Tensor] | None = None) -> Outputs:
        """Record a step.

        Raises:
            Failure: STORAGE_IO if the folder cannot be written.
        """
        stage: Literal["train", "inference"] = "train" if self.training else "inference"
        step = self._steps.get(stage, 0)
        self._steps[stage] = step + 1
        if step % self.params.every == 0 and _writes_records():
            place = Place(stage, self._epoch if self.training else None, step)
            self._log.write_numbers(place, {name: float(value) for name, value in (metrics or {}).items()})
            if self.params.max_tiles:
                tiles = {name: self._tile(batch[0]) for name, batch in (artifacts or {}).items() if batch.numel()}
                self._log.write_tiles(place, {name: tile.cpu().numpy() for name, tile in tiles.items()})
        return {}

    def _tile(self, image: Tensor) -> Tensor:
        """A picture [h, w] or [h, w, 3] of the first image of a batch, in [0, 1] between its extremes."""
        stride = -(-max(image.shape[:2]) // self.params.tile_size)
        thinned = image[::stride, ::stride].detach().float()
        shown = thinned if thinned.shape[-1] == _RED_GREEN_BLUE else thinned[..., 0]
        finite = shown[shown.isfinite()]
        low, high = (finite.min(), finite.max()) if finite.numel() else (shown.new_zeros(()), shown.new_ones(()))
        return ((shown - low) / (high - low).clamp_min(torch.finfo(shown.dtype).tiny)).nan_to_num(0).clamp(0, 1)


def _writes_records() -> bool:
    """Whether this is the only process that has the node, or the first of several: they have one record."""
    return not (distributed.is_available() and distributed.is_initialized() and distributed.get_rank())
