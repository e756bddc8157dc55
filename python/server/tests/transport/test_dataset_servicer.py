from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from wire_client import method

from catenary.v1 import dataset_pb2
from catenary_wire.errors import failure_of

if TYPE_CHECKING:
    from application import Application
    from wire_client import WireClient

    from catenary_wire.errors import Failure

NPY = b"\x93NUMPY" + bytes(range(256)) * 40
RPC = method("UploadDataset")


def header(request_id: str = "r1", **changes: Any) -> Any:
    file = {"path": "a.npy", "size_bytes": len(NPY), "sha256": hashlib.sha256(NPY).digest()}
    return RPC.request(header={"request_id": request_id, "name": "scene", "files": [file]} | changes)


def chunk(offset: int, content: bytes, file_index: int = 0) -> Any:
    return RPC.request(chunk={"file_index": file_index, "offset": offset, "content": content})


def opened(client: WireClient) -> Any:
    upload = client.channel.stream_unary(RPC.path, RPC.request.SerializeToString, RPC.response.FromString)
    return upload(None, timeout=20.0)


async def uploaded(client: WireClient, *messages: Any) -> Any:
    call = opened(client)
    for message in messages:
        await call.write(message)
    await call.done_writing()
    return (await call).dataset


async def refused(client: WireClient, *messages: Any) -> Failure:
    """The last message is the one that is refused: what is sent behind a refusal may fail on its own."""
    call = opened(client)
    for message in messages:
        await call.write(message)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return failure_of(caught.value)


async def arrived(client: WireClient, count: int) -> Any:
    """The only dataset, when so many bytes of it are kept."""
    async with asyncio.timeout(20):
        while True:
            for listed in (await client.call("ListDatasets")).datasets:
                dataset = (await client.call("GetDataset", request_id=listed.request_id)).dataset
                if dataset.files[0].received_size_bytes == count:
                    return dataset


async def test_an_uploaded_dataset_says_what_and_where_it_is(client: WireClient) -> None:
    dataset = await uploaded(client, header(labels={"team": "red"}), chunk(0, NPY[:5000]), chunk(5000, NPY[5000:]))
    assert dataset.state == dataset_pb2.DATASET_STATE_READY
    assert dataset.path == f"datasets/{dataset.dataset_id}/a.npy"
    assert (dataset.name, dataset.size_bytes, dict(dataset.labels)) == ("scene", len(NPY), {"team": "red"})
    assert dataset.request_id == "r1"
    assert dataset.HasField("ready_time")
    assert not dataset.HasField("expire_time")
    (file,) = dataset.files
    assert (file.file.path, file.received_size_bytes) == ("a.npy", len(NPY))
    assert file.file.sha256 == hashlib.sha256(NPY).digest()
    assert (await client.call("GetDataset", dataset_id=dataset.dataset_id)).dataset == dataset
    assert await uploaded(client, header(labels={"team": "red"})) == dataset


async def test_a_stream_that_breaks_off_is_gone_on_with(client: WireClient) -> None:
    call = opened(client)
    await call.write(header())
    await call.write(chunk(0, NPY[:5000]))
    unfinished = await arrived(client, 5000)
    call.cancel()
    assert unfinished.state == dataset_pb2.DATASET_STATE_UPLOADING
    assert unfinished.path == ""
    assert unfinished.HasField("expire_time")
    dataset = await uploaded(client, header(), chunk(5000, NPY[5000:]))
    assert dataset.state == dataset_pb2.DATASET_STATE_READY
    assert dataset.dataset_id == unfinished.dataset_id


async def test_a_chunk_at_another_offset_is_told_the_right_one(client: WireClient) -> None:
    failure = await refused(client, header(), chunk(0, NPY[:10]), chunk(11, b"x"))
    assert (failure.reason, failure.code) == ("UPLOAD_OFFSET_MISMATCH", grpc.StatusCode.OUT_OF_RANGE)
    assert failure.metadata["next_offset"] == "10"
    assert failure.metadata["file_index"] == "0"


async def test_another_sum_is_data_loss(client: WireClient) -> None:
    failure = await refused(client, header(), chunk(0, NPY[:-1] + b"?"))
    assert (failure.reason, failure.code) == ("UPLOAD_CHECKSUM_MISMATCH", grpc.StatusCode.DATA_LOSS)
    assert failure.metadata["next_offset"] == "0"


async def test_another_header_is_a_conflict(client: WireClient) -> None:
    await uploaded(client, header(), chunk(0, NPY))
    failure = await refused(client, header(name="another"))
    assert (failure.reason, failure.code) == ("IDEMPOTENCY_CONFLICT", grpc.StatusCode.ALREADY_EXISTS)


async def test_a_stream_that_another_supersedes_is_aborted(client: WireClient) -> None:
    first = opened(client)
    await first.write(header())
    await first.write(chunk(0, NPY[:10]))
    await arrived(client, 10)
    await uploaded(client, header(), chunk(10, NPY[10:]))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await first
    failure = failure_of(caught.value)
    assert (failure.reason, failure.code) == ("STREAM_SUPERSEDED", grpc.StatusCode.ABORTED)


@pytest.mark.parametrize("path", ["../a.npy", "/etc/a.npy", "a/../../b.npy", "datasets\\a.npy"])
async def test_a_path_that_leaves_the_dataset_is_refused(client: WireClient, path: str) -> None:
    file = {"path": path, "size_bytes": 1, "sha256": bytes(32)}
    assert (await refused(client, header(files=[file]))).reason == "PATH_INVALID"


@pytest.mark.parametrize(
    "messages",
    [
        [chunk(0, b"x")],
        [header(), header()],
        [RPC.request()],
        [header(files=[])],
        [header(request_id="no spaces")],
        [header(files=[{"path": "a", "size_bytes": 1, "sha256": b"short"}])],
        [header(files=[{"path": "a", "sha256": bytes(32)}, {"path": "a", "sha256": bytes(32)}])],
        [header(), chunk(0, b"")],
        [header(), chunk(0, bytes(4 * 1024 * 1024 + 1))],
    ],
)
async def test_messages_that_break_a_rule_are_refused(client: WireClient, messages: list[Any]) -> None:
    failure = await refused(client, *messages)
    assert (failure.reason, failure.code) == ("FIELD_INVALID", grpc.StatusCode.INVALID_ARGUMENT)
    assert failure.violations


async def test_a_stream_without_messages_is_refused(client: WireClient) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await uploaded(client)
    assert failure_of(caught.value).reason == "FIELD_INVALID"


async def test_lists_are_paged_oldest_first_and_leave_files_out(client: WireClient, app: Application) -> None:
    for number in range(5):
        await uploaded(client, header(f"r{number}", labels={"odd": str(number % 2)}), chunk(0, NPY))
    names, token = [], ""
    while True:
        page = await client.call("ListDatasets", page_size=2, page_token=token)
        assert all(not dataset.files for dataset in page.datasets)
        names += [dataset.request_id for dataset in page.datasets]
        token = page.next_page_token
        if not token:
            break
    assert names == [f"r{number}" for number in range(5)]
    odd = await client.call("ListDatasets", labels={"odd": "1"})
    assert [dataset.request_id for dataset in odd.datasets] == ["r1", "r3"]
    assert (await client.failure("ListDatasets", page_token="forged")).reason == "FIELD_INVALID"  # noqa: S106


async def test_a_deleted_dataset_is_not_found_and_can_be_deleted_again(client: WireClient) -> None:
    dataset = await uploaded(client, header(), chunk(0, NPY))
    await client.call("DeleteDataset", dataset_id=dataset.dataset_id)
    await client.call("DeleteDataset", dataset_id=dataset.dataset_id)
    failure = await client.failure("GetDataset", dataset_id=dataset.dataset_id)
    assert (failure.reason, failure.code) == ("DATASET_NOT_FOUND", grpc.StatusCode.NOT_FOUND)
    assert not (await client.call("ListDatasets")).datasets
    assert (await client.failure("DeleteDataset", dataset_id="never")).reason == "DATASET_NOT_FOUND"


async def test_the_server_says_how_long_it_keeps_what_is_unfinished(client: WireClient) -> None:
    storage = (await client.call("GetServerInfo")).limits.storage
    assert storage.unfinished_upload_duration.seconds == 24 * 3600
    assert storage.principal_size_bytes == 0
