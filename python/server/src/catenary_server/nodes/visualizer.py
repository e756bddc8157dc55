"""Base of the nodes that write pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path  # noqa: TC003 - the parameters read their annotations
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from catenary_server.domain.failure import Failure, Reason
from catenary_server.nodes.node import Node, Outputs
from catenary_server.nodes.params import NodeParams, param

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from torch import Tensor


class VisualizerParams(NodeParams):
    """Parameters that all visualizers share."""

    output_dir: Path = param(description="folder below the artifact root that the pictures go to")
    max_files: int = param(16, ge=1, le=10_000, description="pictures to keep; the next one replaces the oldest")
    title: str = param("", description="title of the pictures; empty = the file name")


V = TypeVar("V", bound=VisualizerParams)


class Visualizer(Node[V], ABC, Generic[V]):
    """A node that writes one PNG for each image of a batch to `output_dir`, as <name>_<index>.png."""

    file_stem: ClassVar[str]
    """First part of the file names."""

    def __init__(self, params: V) -> None:
        super().__init__(params)
        self.written = 0

    def write(self, *images: NDArray[Any]) -> Outputs:
        """Draw and write one picture; gives no outputs.

        Raises:
            Failure: STORAGE_IO if the folder cannot be written.
        """
        name = f"{self.file_stem}_{self.written % self.params.max_files:04d}.png"
        figure = Figure(figsize=(6, 5), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_title(self.params.title or name)
        self.draw(figure, axes, *images)
        try:
            self.params.output_dir.mkdir(parents=True, exist_ok=True)
            with mpl.rc_context({"savefig.dpi": 120}):
                figure.savefig(self.params.output_dir / name)
        except OSError as error:
            raise Failure(Reason.STORAGE_IO, f"picture {name} cannot be written: {error.strerror}") from error
        self.written += 1
        return {}

    @abstractmethod
    def draw(self, figure: Figure, axes: Axes, *images: NDArray[Any]) -> None:
        """Draw one picture."""


def as_array(tensor: Tensor) -> NDArray[Any]:
    """The values on the CPU."""
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    return array
