"""Calls with encoded requests, timed one after the other, one server against another."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np

from catenary.v1.inference_pb2 import InputBatch
from catenary.v1.inference_requests_pb2 import InferenceRequest
from catenary_wire.tensors import to_proto

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from numpy.typing import NDArray

INFERENCE = "/catenary.v1.InferenceService/Inference"
MILLI = 1e3


def channel(address: str) -> grpc.aio.Channel:
    """A channel without limits, the same to every server."""
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    return grpc.aio.insecure_channel(address, options=options)


def sender(connection: grpc.aio.Channel, path: str, request: bytes) -> Callable[[], Awaitable[bytes]]:
    """Sends the same bytes again and again, and takes bytes."""
    method: Any = connection.unary_unary(path, None, None)
    return lambda: method(request)


def inference_request(session_id: str, cube: NDArray[Any]) -> bytes:
    """An encoded request."""
    return InferenceRequest(session_id=session_id, inputs=InputBatch(cube=to_proto(cube))).SerializeToString()


def cube_of(nbytes: int) -> NDArray[np.float32]:
    """A cube of so many bytes."""
    return np.full((1, 1, nbytes // 256, 64), 0.5, np.float32)


async def alternate(
    calls: Mapping[str, Callable[[], Awaitable[object]]], rounds: int, *, warm: int = 3
) -> dict[str, list[float]]:
    """Seconds of each call, made in turn, so that what disturbs one disturbs all."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + warm):
        for name, call in calls.items():
            begin = time.perf_counter()
            await call()
            if number >= warm:
                seconds[name].append(time.perf_counter() - begin)
    return seconds
