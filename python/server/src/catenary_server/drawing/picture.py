"""Pipelines as pictures. Imported in bounded processes alone: matplotlib never enters the front end."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch, Rectangle
from matplotlib.path import Path

from catenary_server.domain.drawing import DrawingFormat
from catenary_server.drawing.boxes import HEADER, NAME_SIZE, PADDING, PORT_SIZE, TYPE_SIZE, Box, box_of, text_width
from catenary_server.drawing.layout import Layout, Waypoint, lay_out
from catenary_server.drawing.palette import TINTS
from catenary_server.drawing.text import categories, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from catenary_server.domain.drawing import DrawingRequest
    from catenary_server.domain.graph import Edge, Graph

# All lengths are inches, all font sizes points.
MARGIN = 0.3
GAP = 0.32
CHANNEL = 0.85
"""Between two columns: room for edges to change their height."""
TITLE_SIZE = 13.0
MOVE, LINE_TO, CURVE = int(Path.MOVETO), int(Path.LINETO), int(Path.CURVE4)
LINE = "#8a919c"
BORDER = "#aab1bb"
FAINT = "#5b626d"

DPI = 144.0
MAX_PIXELS = 12_000_000
MAX_SIDE = 20_000
MAX_PNG_BYTES = 1_000_000
"""A response of a control RPC has at most 1 MiB; a picture above this is drawn again, coarser."""
MIN_DPI = 20.0


def draw_picture(request: DrawingRequest) -> bytes:
    """The picture, PNG or SVG. The text of an SVG is text, so that it can be searched and copied."""
    figure = _Picture(request.graph, request.title).figure()
    if request.drawing_format is DrawingFormat.SVG:
        return _saved(figure, "svg", DPI)
    width, height = figure.get_size_inches()
    dpi = min(DPI, (MAX_PIXELS / (width * height)) ** 0.5, MAX_SIDE / max(width, height))
    content = _saved(figure, "png", dpi)
    while len(content) > MAX_PNG_BYTES and dpi > MIN_DPI:
        dpi *= 0.9 * (MAX_PNG_BYTES / len(content)) ** 0.5
        content = _saved(figure, "png", dpi)
    return content


def _saved(figure: Figure, file_format: str, dpi: float) -> bytes:
    stream = io.BytesIO()
    metadata = {"Date": None} if file_format == "svg" else {"Software": None}
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "catenary"}):
        figure.savefig(stream, format=file_format, dpi=dpi, metadata=metadata)
    return stream.getvalue()


class _Picture:
    """One drawing: first where everything stands, then the figure."""

    def __init__(self, graph: Graph, title: str) -> None:
        self._graph = graph
        self._title = printable(title)
        self._boxes = {name: box_of(graph, name) for name in graph.order}
        self._layout = lay_out(graph, {name: box.height for name, box in self._boxes.items()}, GAP)
        self._lefts, self._widths = self._columns(self._layout)

    def figure(self) -> Figure:
        """Everything drawn; one unit of its axes is an inch."""
        tops = [self._top(name) for name in self._boxes]
        bottoms = [self._top(name) - box.height for name, box in self._boxes.items()]
        high, low = max(tops), min(bottoms)
        legend = sum(text_width(each.lower(), TYPE_SIZE) + 0.4 for each in categories(self._graph))
        title = 0.45 if self._title else 0.0
        heading = text_width(self._title, TITLE_SIZE, bold=True)
        width = max(self._lefts[-1] + self._widths[-1], legend, heading) + 2 * MARGIN
        height = high - low + title + 0.4 + 2 * MARGIN
        figure = Figure(figsize=(width, height), facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(-MARGIN, width - MARGIN)
        axes.set_ylim(low - 0.4 - MARGIN, high + title + MARGIN)
        _write(axes, 0, high + title, self._title, TITLE_SIZE, va="top", bold=True)
        for edge in self._graph.edges:
            self._draw_edge(axes, edge)
        for name, box in self._boxes.items():
            self._draw_box(axes, name, box)
        self._draw_legend(axes, low - 0.4)
        return figure

    def _columns(self, layout: Layout) -> tuple[list[float], list[float]]:
        widths = [
            max((self._boxes[item].width for item in layer if isinstance(item, str)), default=0.0)
            for layer in layout.layers
        ]
        lefts = [sum(widths[:index]) + index * CHANNEL for index in range(len(widths))]
        return lefts, widths

    def _column(self, name: str) -> int:
        return next(index for index, layer in enumerate(self._layout.layers) if name in layer)

    def _left(self, name: str) -> float:
        column = self._column(name)
        return self._lefts[column] + (self._widths[column] - self._boxes[name].width) / 2

    def _top(self, name: str) -> float:
        return self._layout.middles[name] + self._boxes[name].height / 2

    def _draw_box(self, axes: Axes, name: str, box: Box) -> None:
        tint, left, top = TINTS[box.category], self._left(name), self._top(name)
        body = _rounded(left, top, box.width, box.height, fc="white", ec="none", zorder=3)
        axes.add_patch(body)
        header = Rectangle((left, top - HEADER), box.width, HEADER, fc=tint.fill, ec="none", zorder=3.5)
        axes.add_patch(header)
        header.set_clip_path(body)
        axes.add_patch(_rounded(left, top, box.width, box.height, fc="none", ec=BORDER, lw=0.9, zorder=4))
        middle = left + box.width / 2
        _write(axes, middle, top - 0.17, box.name, NAME_SIZE, color=tint.ink, ha="center", bold=True)
        _write(axes, middle, top - 0.345, box.type_name, TYPE_SIZE, color=tint.ink, ha="center")
        sides = ((box.inputs, left, PADDING, "left"), (box.outputs, left + box.width, -PADDING, "right"))
        for ports, x, inset, alignment in sides:
            for index, port in enumerate(ports):
                y = top - box.port_offset(index)
                axes.plot([x], [y], marker="o", ms=3.6, mfc="white", mec=FAINT, mew=0.9, zorder=5)
                _write(axes, x + inset, y, port, PORT_SIZE, color=FAINT, ha=alignment)

    def _draw_edge(self, axes: Axes, edge: Edge) -> None:
        source, target = self._boxes[edge.source_node], self._boxes[edge.target_node]
        start = (
            self._left(edge.source_node) + source.width,
            self._top(edge.source_node) - source.port_offset(source.outputs.index(printable(edge.source_port))),
        )
        end = (
            self._left(edge.target_node),
            self._top(edge.target_node) - target.port_offset(target.inputs.index(printable(edge.target_port))),
        )
        points, codes = [start], [MOVE]
        for waypoint in self._layout.routes[edge]:
            left, right, y = self._passage(waypoint)
            _curve(points, codes, (left, y))
            points.append((right, y))
            codes.append(LINE_TO)
        _curve(points, codes, end)
        axes.add_patch(PathPatch(Path(points, codes), fc="none", ec=LINE, lw=1.1, zorder=2, capstyle="round"))

    def _passage(self, waypoint: Waypoint) -> tuple[float, float, float]:
        left = self._lefts[waypoint.layer]
        return left, left + self._widths[waypoint.layer], self._layout.middles[waypoint]

    def _draw_legend(self, axes: Axes, y: float) -> None:
        x = 0.0
        for category in categories(self._graph):
            tint = TINTS[category]
            axes.add_patch(Rectangle((x, y - 0.055), 0.16, 0.11, fc=tint.fill, ec=tint.ink, lw=0.6))
            _write(axes, x + 0.22, y, category.lower(), TYPE_SIZE, color=FAINT)
            x += text_width(category.lower(), TYPE_SIZE) + 0.4


def _rounded(left: float, top: float, width: float, height: float, **style: Any) -> FancyBboxPatch:  # noqa: ANN401 - matplotlib's own
    corner = "round,pad=0,rounding_size=0.07"
    return FancyBboxPatch((left, top - height), width, height, boxstyle=corner, **style)


def _curve(points: list[tuple[float, float]], codes: list[int], end: tuple[float, float]) -> None:
    """Go on to a point, leaving and arriving level."""
    (x0, y0), (x1, y1) = points[-1], end
    reach = max((x1 - x0) / 2, CHANNEL / 3)
    points += [(x0 + reach, y0), (x1 - reach, y1), end]
    codes += [CURVE] * 3


def _write(
    axes: Axes, x: float, y: float, text: str, size: float, *, color: str = "#20242a", ha: str = "left",
    va: str = "center", bold: bool = False,
) -> None:  # fmt: skip
    weight = "bold" if bold else "normal"
    va = "center_baseline" if va == "center" else va
    axes.text(x, y, text, fontsize=size, color=color, ha=ha, va=va, fontweight=weight, zorder=6, parse_math=False)
