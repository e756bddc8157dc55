"""A cube of 64 MB in shared memory, against the same cube in messages; all on the server's Unix socket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.inference_rows.calls import INFERENCE, MILLI, alternate, channel, inference_request, sender
from benchmarks.report import Table, quantile
from catenary.v1.inference_pb2 import InputBatch
from catenary.v1.inference_requests_pb2 import InferenceRequest
from catenary.v1.tensor_pb2 import D_TYPE_FLOAT32, ShmRef, Tensor
from catenary_client import AsyncClient

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.serving.processes import Served

_SHAPE = (1, 500, 500, 64)
_PIPELINE = {"nodes": [{"name": "node", "class_name": "FirstBand"}]}


async def measure(server: Served, *, quick: bool) -> Table:
    """Time of an inference with a small output, by where its input is."""
    cube = np.full(_SHAPE, 0.5, np.float32)
    copy = np.empty_like(cube)

    async def memcpy() -> None:
        np.copyto(copy, cube)

    async with (
        AsyncClient(server.local_address, timeout=300.0) as client,
        await client.create_session(shared_memory=cube.nbytes) as sharing,
        await client.create_session() as sending,
        channel(server.local_address) as connection,
    ):
        for session in (sharing, sending):
            await session.load_pipeline(_PIPELINE)
        segment = (await sharing.get()).shared_memory.name
        calls = {
            "in place, handle sent": sender(connection, INFERENCE, _by_handle(sharing.session_id, segment, cube)),
            "client copies, handle sent": lambda: sharing.infer(cube=cube),
            "client sends pieces": lambda: sending.infer_chunked(cube=cube),
            "one encoded message": sender(connection, INFERENCE, inference_request(sending.session_id, cube)),
            "memcpy, for scale": memcpy,
        }
        seconds = await alternate(calls, 10 if quick else 30)
    message = quantile(seconds["one encoded message"], 0.5)
    rows = [
        (way, len(values), p50 * MILLI, min(values) * MILLI, cube.nbytes / p50 / 1e9, message / p50)
        for way, values in seconds.items()
        for p50 in (quantile(values, 0.5),)
    ]
    columns = ("way", "n", "median ms", "min ms", "GB/s", "message / this")
    return Table("64 MB up over the Unix socket, one band down", columns, tuple(rows))


def _by_handle(session_id: str, segment: str, cube: NDArray[Any]) -> bytes:
    """An encoded request whose cube has been written to the start of the segment already."""
    with (Path("/dev/shm") / segment).open("r+b") as file:  # noqa: S108 - where segments are
        file.write(cube.data)
    reference = ShmRef(name=segment, byte_size=cube.nbytes)
    tensor = Tensor(shape=cube.shape, dtype=D_TYPE_FLOAT32, shm_ref=reference)
    return InferenceRequest(session_id=session_id, inputs=InputBatch(cube=tensor)).SerializeToString()
