"""Whatever bytes arrive, the answer is one of the contract's: never UNKNOWN, never INTERNAL."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import grpc
from application import content
from fake_configs import TRAINRUN
from wire_client import WireClient, method

from catenary_server.transport.front_end import build_routes
from catenary_server.transport.settings import MessageSizes

if TYPE_CHECKING:
    from catenary_server.transport.services import Services

NEVER = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.DEADLINE_EXCEEDED}
ROUNDS = 40
SEED = 20250101


async def outcome(client: WireClient, path: str, raw: bytes, *, streams: bool) -> grpc.StatusCode:
    try:
        if streams:
            async for _ in client.channel.unary_stream(path, None, None)(raw, timeout=20):
                pass
        else:
            await client.raw(path, raw)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def damaged(rng: random.Random, message: bytes) -> bytes:
    """The message with bytes changed, cut off, doubled or put in."""
    raw = bytearray(message or b"\x0a\x00")
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(raw) or 1)
        match rng.randrange(4):
            case 0:
                raw[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                del raw[place:]
            case 2:
                raw[place:place] = rng.randbytes(rng.randint(1, 9))
            case _:
                raw += raw[place:]
    return bytes(raw)


async def test_damaged_and_random_messages_get_an_answer_of_the_contract(
    client: WireClient, session_id: str, services: Services
) -> None:
    rng = random.Random(SEED)  # noqa: S311 - the same bytes in every run
    await client.call("SetTrainRunConfig", session_id=session_id, config={"config_bytes": content(TRAINRUN)})
    inputs = {"cube": {"shape": [1, 1, 1, 2], "dtype": 1, "raw_data": bytes(8)}}
    whole: dict[str, dict[str, Any]] = {
        "Train": {"trainer_type": 1},
        "Evaluate": {"stage": 3},
        "Inference": {"inputs": inputs, "output_specs": ["detector.scores"]},
        "LoadPipelineWeights": {"weights_bytes": b"weights"},
        "LoadPipeline": {"pipeline": {"config_bytes": content()}},
        "SavePipeline": {"pipeline_path": "x", "metadata": {"tags": ["a"]}},
        "ResolveConfig": {"config_type": "pipeline", "path": "small", "overrides": ["a=b"]},
    }
    routes = build_routes(services, MessageSizes()).routes.values()
    for each in (route.method for route in routes if route.handler is not None):
        fields = dict(whole.get(method(each.name).name, {}))
        if "session_id" in each.request.DESCRIPTOR.fields_by_name and each.name != "CloseSession":
            fields["session_id"] = session_id
        message = each.request(**fields).SerializeToString()
        sent = [damaged(rng, message) for _ in range(ROUNDS)] + [
            rng.randbytes(rng.randint(1, 60)) for _ in range(ROUNDS)
        ]
        codes = await asyncio.gather(*(outcome(client, each.path, raw, streams=each.server_streaming) for raw in sent))
        assert not NEVER & set(codes), each.path
    assert (await client.call("GetSession", session_id=session_id)).session.session_id == session_id
