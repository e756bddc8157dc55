"""Inputs in shared memory, over the server's socket and over its port."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest
from application import Application, build_application, content
from wire_client import WireClient

from catenary.v1 import tensor_pb2
from catenary.v1.inference_pb2 import InputBatch
from catenary.v1.inference_requests_pb2 import InferenceRequest, StreamInferenceRequest, StreamInferenceResponse
from catenary_server.application.sessions import SessionLimits
from catenary_server.runtimes.segments import FileSegments
from catenary_server.transport.interceptors.authentication import AnonymousAuthenticator
from catenary_server.transport.server import build_server
from catenary_server.transport.settings import TransportSettings
from catenary_wire import to_numpy, to_proto
from catenary_wire.reasons import reason_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from catenary_server.transport.services import Services

CUBE = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
LENGTH = 1 << 20


@dataclasses.dataclass(frozen=True)
class Ways:
    """The two ways to one server."""

    local: WireClient
    far: WireClient


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "segments"
    made.mkdir()
    return made


@pytest.fixture
def segments(folder: Path) -> Iterator[FileSegments]:
    made = FileSegments(folder)
    yield made
    made.close()


@pytest.fixture
async def app(tmp_path: Path, segments: FileSegments) -> Application:
    limits = SessionLimits(shared_memory=2 * LENGTH, shared_memory_of_session=LENGTH)
    return build_application(tmp_path, limits, segments)


@pytest.fixture
async def ways(services: Services) -> AsyncIterator[Ways]:
    with tempfile.TemporaryDirectory() as short:
        path = Path(short) / "s"
        server = build_server(TransportSettings(unix_socket=path), services, AnonymousAuthenticator())
        port = await server.start()
        async with (
            grpc.aio.insecure_channel(f"unix:{path}") as local,
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as far,
        ):
            yield Ways(WireClient(local), WireClient(far))
        await services.sessions.close_all()
        await server.drain(grace=0.1)


@pytest.fixture
async def shared(ways: Ways) -> Any:
    created = await ways.local.call("CreateSession", shared_memory_size_bytes=LENGTH)
    await ways.local.call("LoadPipeline", session_id=created.session_id, pipeline={"config_bytes": content()})
    return created.session


def write(folder: Path, name: str, data: bytes) -> None:
    with (folder / name).open("r+b") as file:
        file.write(data)


def handle(name: str, offset: int = 0, nbytes: int = CUBE.nbytes) -> tensor_pb2.Tensor:
    reference = tensor_pb2.ShmRef(name=name, byte_offset=offset, byte_size=nbytes)
    return tensor_pb2.Tensor(shape=CUBE.shape, dtype=tensor_pb2.D_TYPE_FLOAT32, shm_ref=reference)


async def test_a_session_tells_its_shared_memory(ways: Ways, shared: Any, folder: Path) -> None:
    assert (folder / shared.shared_memory.name).stat().st_size == shared.shared_memory.size_bytes == LENGTH
    found = (await ways.local.call("GetSession", session_id=shared.session_id)).session
    assert found.shared_memory == shared.shared_memory
    plain = await ways.local.call("CreateSession")
    assert not plain.session.HasField("shared_memory")
    await ways.local.call("CloseSession", session_id=shared.session_id)
    assert not (folder / shared.shared_memory.name).exists()


async def test_a_handle_and_a_message_give_the_same(ways: Ways, shared: Any, folder: Path) -> None:
    write(folder, shared.shared_memory.name, CUBE.tobytes())
    inputs = ({"cube": handle(shared.shared_memory.name)}, {"cube": to_proto(CUBE)})
    here, sent = [
        to_numpy(
            (await ways.local.call("Inference", session_id=shared.session_id, inputs=each)).outputs["detector.scores"]
        )
        for each in inputs
    ]
    np.testing.assert_array_equal(here, sent)


async def test_shared_memory_is_offered_on_the_socket_only(ways: Ways) -> None:
    for client, offered in ((ways.local, LENGTH), (ways.far, 0)):
        limits = (await client.call("GetServerInfo")).limits.sessions
        assert limits.shared_memory_size_bytes == offered


async def test_a_caller_on_the_port_neither_gets_nor_uses_it(
    ways: Ways, shared: Any, app: Application, folder: Path
) -> None:
    failure = await ways.far.failure("CreateSession", shared_memory_size_bytes=LENGTH)
    assert (failure.reason, failure.code) == ("SHM_DISABLED", grpc.StatusCode.UNIMPLEMENTED)
    assert app.sessions.count == 1
    inputs = {"cube": handle(shared.shared_memory.name)}
    failure = await ways.far.failure("Inference", session_id=shared.session_id, inputs=inputs)
    assert failure.reason == "SHM_DISABLED"
    await ways.far.call("Inference", session_id=shared.session_id, inputs={"cube": to_proto(CUBE)})


@pytest.mark.parametrize(
    ("changes", "reason", "code"),
    [
        ({"name": "catenary-0"}, "SHM_NOT_OWNER", grpc.StatusCode.PERMISSION_DENIED),
        ({"name": ""}, "SHM_NOT_OWNER", grpc.StatusCode.PERMISSION_DENIED),
        ({"offset": LENGTH}, "SHM_RANGE", grpc.StatusCode.OUT_OF_RANGE),
        ({"offset": 2**64 - 1}, "SHM_RANGE", grpc.StatusCode.OUT_OF_RANGE),
        ({"nbytes": 2**64 - 1}, "SHM_RANGE", grpc.StatusCode.OUT_OF_RANGE),
        ({"nbytes": 16}, "TENSOR_SIZE_MISMATCH", grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_a_handle_that_does_not_fit_is_refused(
    ways: Ways, shared: Any, changes: dict[str, Any], reason: str, code: grpc.StatusCode
) -> None:
    reference = handle(**({"name": shared.shared_memory.name} | changes))
    failure = await ways.local.failure("Inference", session_id=shared.session_id, inputs={"cube": reference})
    assert (failure.reason, failure.code) == (reason, code)


async def test_no_failure_tells_the_name_of_a_segment(ways: Ways, shared: Any) -> None:
    other = (await ways.local.call("CreateSession", shared_memory_size_bytes=LENGTH)).session
    inputs = {"cube": handle(other.shared_memory.name)}
    failure = await ways.local.failure("Inference", session_id=shared.session_id, inputs=inputs)
    unknown = await ways.local.failure(
        "Inference", session_id=shared.session_id, inputs={"cube": handle("catenary-unknown")}
    )
    assert failure == unknown
    assert "catenary-" not in repr(failure)


@pytest.mark.parametrize(
    ("nbytes", "reason"), [(LENGTH + 1, "FIELD_INVALID"), (2**64 - 1, "FIELD_INVALID"), (LENGTH, "QUOTA_MEMORY")]
)
async def test_more_than_is_offered_or_left_is_refused_and_makes_no_session(
    ways: Ways, shared: Any, app: Application, nbytes: int, reason: str
) -> None:
    await ways.local.call("CreateSession", shared_memory_size_bytes=LENGTH)
    failure = await ways.local.failure("CreateSession", shared_memory_size_bytes=nbytes)
    assert failure.reason == reason
    assert app.sessions.count == 2


async def test_a_retry_gets_the_same_segment(ways: Ways) -> None:
    first, second = [
        await ways.local.call("CreateSession", shared_memory_size_bytes=LENGTH, request_id="r") for _ in range(2)
    ]
    assert first.session_id == second.session_id
    assert first.session.shared_memory == second.session.shared_memory
    failure = await ways.local.failure("CreateSession", shared_memory_size_bytes=LENGTH - 1, request_id="r")
    assert failure.reason == "IDEMPOTENCY_CONFLICT"


async def test_items_of_a_stream_may_use_it_too(ways: Ways, shared: Any, folder: Path) -> None:
    write(folder, shared.shared_memory.name, CUBE.tobytes())
    references = (handle(shared.shared_memory.name), handle("catenary-0"), handle(shared.shared_memory.name, LENGTH))
    method = "/catenary.v1.InferenceService/StreamInference"
    for client, expected in (
        (ways.local, ["result", "SHM_NOT_OWNER", "SHM_RANGE"]),
        (ways.far, ["SHM_DISABLED"] * 3),
    ):
        call = client.channel.stream_stream(
            method,
            StreamInferenceRequest.SerializeToString,
            StreamInferenceResponse.FromString,
        )(
            StreamInferenceRequest(
                inference=InferenceRequest(session_id=shared.session_id, inputs=InputBatch(cube=reference))
            )
            for reference in references
        )
        told = [reason_name(each.failure.reason) if each.HasField("failure") else "result" async for each in call]
        assert told == expected
