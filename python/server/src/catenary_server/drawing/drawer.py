"""Draws pipelines for the front end.

Text is made at once. Pictures need matplotlib, which takes a second to import, is not made for threads, and takes long
on graphs that a client can make as large as the contract allows. So each picture is drawn by a process of its own that
is copied from the forkserver, where matplotlib is imported already, and that is ended when it takes too much. The
worker of the session would not do: it is busy when it infers, and a preview has no session.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

from catenary_server.bounded_child import ChildLimits, LimitsExceeded, call_in_child
from catenary_server.domain.drawing import DrawingFormat, DrawingRequest
from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.drawing.text import to_dot, to_mermaid

if TYPE_CHECKING:
    from catenary_server.domain.graph import Graph

PICTURE_MODULE = "catenary_server.drawing.picture"
"""What the process imports; preload it in the forkserver."""

_LIMITS = ChildLimits(cpu_s=10.0, memory_bytes=1 << 30, wall_s=20.0)


class ProcessDrawer:
    """Implements `domain.drawing.GraphDrawer`.

    Args:
        limits: what one picture may take.
        parallel: pictures that may be drawn at the same time; others wait, and hold up nothing else.
    """

    def __init__(self, limits: ChildLimits = _LIMITS, *, parallel: int = 2) -> None:
        self._limits = limits
        self._slots = ThreadPoolExecutor(parallel, thread_name_prefix="drawing")

    async def draw(self, graph: Graph, title: str, drawing_format: DrawingFormat) -> bytes:
        """See `GraphDrawer.draw`."""
        if drawing_format is DrawingFormat.DOT:
            return to_dot(graph, title).encode()
        if drawing_format is DrawingFormat.MERMAID:
            return to_mermaid(graph, title).encode()
        request = DrawingRequest(graph, title, drawing_format)
        return await asyncio.get_running_loop().run_in_executor(self._slots, self._picture, request)

    def _picture(self, request: DrawingRequest) -> bytes:
        try:
            return cast("bytes", call_in_child(f"{PICTURE_MODULE}:draw_picture", request, self._limits))
        except LimitsExceeded as error:
            fault = Violation("nodes", f"{len(request.graph.order)} are too many for a picture")
            raise Failure(
                Reason.CONFIG_TOO_COMPLEX,
                f"{fault.description}: ask for the format dot or mermaid",
                violations=(fault,),
            ) from error
