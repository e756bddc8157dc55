from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest
from application import content
from safetensors.numpy import save
from wire_client import method

from catenary.v1 import pipeline_transfer_pb2, transfer_pb2
from catenary_wire.errors import failure_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from wire_client import WireClient

RPC = method("UploadPipeline")
FILES = (content(), save({"detector.bias": np.zeros(600_000, np.float32)}))


def header(**fields: Any) -> Any:
    declared = [
        transfer_pb2.TransferFile(path=name, size_bytes=len(file), sha256=hashlib.sha256(file).digest())
        for name, file in zip(("d.yaml", "w.safetensors"), FILES, strict=True)
    ]
    files = pipeline_transfer_pb2.PipelineFiles(definition=declared[0], weights=declared[1])
    return RPC.request(header={"pipeline_path": "up/mine", "files": files, **fields})


def chunks(size: int = 1 << 20) -> list[Any]:
    return [
        RPC.request(chunk={"file_index": index, "offset": offset, "content": file[offset : offset + size]})
        for index, file in enumerate(FILES)
        for offset in range(0, len(file), size)
    ]


async def uploaded(client: WireClient, *messages: Any) -> Any:
    async def stream() -> AsyncIterator[Any]:
        for message in messages:
            yield message

    call = client.channel.stream_unary(RPC.path, RPC.request.SerializeToString, RPC.response.FromString)
    return await call(stream(), timeout=20.0)


async def reason(client: WireClient, *messages: Any) -> str:
    """The last message is the one that is refused: what is sent behind a refusal may fail on its own."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await uploaded(client, *messages)
    return failure_of(caught.value).reason


async def test_an_uploaded_pipeline_is_found_loaded_and_downloaded_with_the_same_bytes(
    client: WireClient, session_id: str, tmp_path: Path
) -> None:
    saved = await uploaded(client, header(request_id="r1"), *chunks())
    assert (saved.pipeline_path, saved.weights_path) == ("up/mine.yaml", "up/mine.safetensors")
    assert (tmp_path / "artifacts" / saved.weights_path).read_bytes() == FILES[1]
    info = (await client.call("GetPipelineInfo", pipeline_path=saved.pipeline_path)).pipeline_info
    assert (info.yaml_content.encode(), info.weights_path) == (FILES[0], saved.weights_path)
    await client.call("LoadPipeline", session_id=session_id, pipeline={"config_bytes": info.yaml_content.encode()})
    first, *rest = await client.events("DownloadPipeline", pipeline_path="up/mine")
    declared = (first.files.definition, first.files.weights)
    received = [b"".join(part.chunk.content for part in rest if part.chunk.file_index == index) for index in (0, 1)]
    assert received == list(FILES)
    assert [hashlib.sha256(file).digest() for file in received] == [file.sha256 for file in declared]
    assert [file.size_bytes for file in declared] == [len(file) for file in FILES]
    assert await uploaded(client, header(request_id="r1")) == saved


async def test_a_download_can_leave_the_weights_out(client: WireClient) -> None:
    await uploaded(client, header(), *chunks())
    first, *rest = await client.events("DownloadPipeline", pipeline_path="up/mine", definition_only=True)
    assert not first.files.HasField("weights")
    assert {part.chunk.file_index for part in rest} == {0}


async def test_a_stream_that_is_no_upload_is_refused(client: WireClient, tmp_path: Path) -> None:
    first = chunks()[0]
    assert await reason(client) == "FIELD_INVALID"
    assert await reason(client, first) == "FIELD_INVALID"
    assert await reason(client, header(), header()) == "FIELD_INVALID"
    assert await reason(client, header(), first) == "UPLOAD_OFFSET_MISMATCH"
    assert await reason(client, header(pipeline_path="../up")) == "PATH_INVALID"
    wrong = RPC.request(chunk={"file_index": 0, "offset": 0, "content": b" " * len(FILES[0])})
    assert await reason(client, header(), wrong) == "UPLOAD_CHECKSUM_MISMATCH"
    assert not [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]


async def test_what_is_not_there_cannot_be_downloaded(client: WireClient) -> None:
    assert (await client.failure("DownloadPipeline", pipeline_path="nothing")).reason == "ARTIFACT_NOT_FOUND"
    assert (await client.failure("DownloadPipeline", pipeline_path="/etc/passwd")).reason == "PATH_INVALID"
