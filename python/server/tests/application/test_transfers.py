from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from application import OWNER, Application, content
from safetensors.numpy import save

from catenary_server.application.pipelines import SavedPipeline
from catenary_server.application.transfers import CHUNK_BYTES, TransferLimits, Transfers
from catenary_server.domain.dataset import Chunk, DeclaredFile
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.transfer import MAX_DEFINITION_BYTES, PipelineFiles, PipelineUpload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

WEIGHTS = save({"detector.bias": np.arange(1000, dtype=np.float32)})
DEFINITION = content()


def declared(name: str, file: bytes) -> DeclaredFile:
    return DeclaredFile(name, len(file), hashlib.sha256(file).digest())


def upload_of(
    definition: bytes = DEFINITION, weights: bytes | None = WEIGHTS, path: str = "up/mine", request_id: str = ""
) -> PipelineUpload:
    files = PipelineFiles(declared("d.yaml", definition), None if weights is None else declared("w", weights))
    return PipelineUpload(path=path, files=files, request_id=request_id)


def chunks_of(*files: bytes, size: int = 700) -> list[Chunk]:
    return [
        Chunk(index, offset, memoryview(file)[offset : offset + size])
        for index, file in enumerate(files)
        for offset in range(0, len(file), size)
    ]


async def sent(chunks: Iterable[Chunk]) -> AsyncIterator[Chunk]:
    for chunk in chunks:
        yield chunk


async def refused(app: Application, upload: PipelineUpload, chunks: Iterable[Chunk]) -> Reason:
    with pytest.raises(Failure) as caught:
        await app.transfers.upload(OWNER, upload, sent(chunks))
    return caught.value.reason


async def downloaded(app: Application, path: str, owner: str = OWNER, **options: bool) -> list[PipelineFiles | Chunk]:
    return [part async for part in app.transfers.download(owner, path, **options)]


def replace(tmp_path: Path, content: bytes) -> None:
    """Put other bytes into the one definition that is kept."""
    [place] = tmp_path.rglob("mine.yaml")
    place.write_bytes(content)


def kept(tmp_path: Path) -> dict[str, bytes]:
    root = tmp_path / "artifacts"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


async def test_what_was_uploaded_is_kept_byte_for_byte_and_comes_back(app: Application, tmp_path: Path) -> None:
    saved = await app.transfers.upload(OWNER, upload_of(), sent(chunks_of(DEFINITION, WEIGHTS)))
    assert saved == SavedPipeline(pipeline_path="up/mine.yaml", weights_path="up/mine.safetensors")
    assert kept(tmp_path) == {"up/mine.yaml": DEFINITION, "up/mine.safetensors": WEIGHTS}
    files, *chunks = await downloaded(app, "up/mine")
    assert files == PipelineFiles(declared("up/mine.yaml", DEFINITION), declared("up/mine.safetensors", WEIGHTS))
    for index, file in enumerate((DEFINITION, WEIGHTS)):
        assert b"".join(each.content for each in chunks if isinstance(each, Chunk) and each.file_index == index) == file


async def test_a_large_file_is_sent_in_chunks_in_order(app: Application) -> None:
    weights = save({"a": np.zeros(CHUNK_BYTES // 2, np.float32)})
    await app.transfers.upload(OWNER, upload_of(weights=weights), sent(chunks_of(DEFINITION, weights, size=1 << 20)))
    chunks = [part for part in await downloaded(app, "up/mine") if isinstance(part, Chunk) and part.file_index == 1]
    assert [chunk.offset for chunk in chunks] == [0, CHUNK_BYTES, 2 * CHUNK_BYTES]
    assert [len(chunk.content) for chunk in chunks] == [CHUNK_BYTES, CHUNK_BYTES, len(weights) - 2 * CHUNK_BYTES]


async def test_a_definition_travels_without_weights(app: Application, tmp_path: Path) -> None:
    await app.transfers.upload(OWNER, upload_of(), sent(chunks_of(DEFINITION, WEIGHTS)))
    files, *_ = await downloaded(app, "up/mine", definition_only=True)
    assert isinstance(files, PipelineFiles)
    assert files.weights is None
    saved = await app.transfers.upload(OWNER, upload_of(weights=None), sent(chunks_of(DEFINITION)))
    assert saved.weights_path == ""
    assert list(kept(tmp_path)) == ["up/mine.yaml"], "weights of the former pipeline do not stay with the new one"


async def test_a_saved_pipeline_downloads_and_another_principals_is_not_there(app: Application) -> None:
    session = await app.loaded()
    await app.pipelines.save(session, "saved")
    files, *chunks = await downloaded(app, "saved")
    assert isinstance(files, PipelineFiles)
    assert len(chunks) == 2
    with pytest.raises(Failure) as caught:
        await downloaded(app, "saved", owner="somebody else")
    assert caught.value.reason is Reason.ARTIFACT_NOT_FOUND


@pytest.mark.parametrize("content", [b"[]", b"pipeline: {nodes: []}\ntraining: {}\n", b"\xff\xfe"])
async def test_a_file_that_is_no_pipeline_is_not_sent_as_one(app: Application, tmp_path: Path, content: bytes) -> None:
    await app.transfers.upload(OWNER, upload_of(), sent(chunks_of(DEFINITION, WEIGHTS)))
    replace(tmp_path, content)
    with pytest.raises(Failure, match="is no pipeline") as caught:
        await downloaded(app, "up/mine")
    assert caught.value.reason is Reason.ARTIFACT_CORRUPT


FAULTY = {
    "wrong checksum": (upload_of(), chunks_of(DEFINITION, WEIGHTS[:-1] + b"x"), Reason.UPLOAD_CHECKSUM_MISMATCH),
    "stream ends": (upload_of(), chunks_of(DEFINITION, WEIGHTS)[:-1], Reason.UPLOAD_OFFSET_MISMATCH),
    "chunk missing": (upload_of(), chunks_of(DEFINITION, WEIGHTS)[1:], Reason.UPLOAD_OFFSET_MISMATCH),
    "chunk too many": (
        upload_of(),
        [*chunks_of(DEFINITION, WEIGHTS), Chunk(1, len(WEIGHTS), memoryview(b"x"))],
        Reason.UPLOAD_OFFSET_MISMATCH,
    ),
    "past the end": (upload_of(), [Chunk(0, 0, memoryview(DEFINITION + b" "))], Reason.UPLOAD_OFFSET_MISMATCH),
    "empty chunk": (upload_of(), [Chunk(0, 0, memoryview(b""))], Reason.FIELD_INVALID),
    "no pipeline": (upload_of(b"[]"), chunks_of(b"[]", WEIGHTS), Reason.CONFIG_INVALID),
    "no graph": (
        upload_of(content(connections=[{"source": "a", "target": "b"}])),
        chunks_of(content(connections=[{"source": "a", "target": "b"}]), WEIGHTS),
        Reason.GRAPH_INVALID,
    ),
    "pickle": (
        upload_of(weights=b"PK\x03\x04" + bytes(100)),
        chunks_of(DEFINITION, b"PK\x03\x04" + bytes(100)),
        Reason.WEIGHTS_FORMAT_FORBIDDEN,
    ),
    "leaves the area": (upload_of(path="../x"), [], Reason.PATH_INVALID),
}


@pytest.mark.parametrize(("upload", "chunks", "reason"), FAULTY.values(), ids=FAULTY)
async def test_an_upload_that_is_not_what_it_should_be_changes_nothing(
    app: Application, tmp_path: Path, upload: PipelineUpload, chunks: list[Chunk], reason: Reason
) -> None:
    await app.transfers.upload(OWNER, upload_of(), sent(chunks_of(DEFINITION, WEIGHTS)))
    before = kept(tmp_path)
    assert await refused(app, upload, chunks) is reason
    assert kept(tmp_path) == before


async def test_a_definition_with_nodes_of_a_plugin_is_kept(app: Application) -> None:
    definition = content(nodes=[{"name": "n", "class_name": "OfAPlugin"}], connections=[])
    saved = await app.transfers.upload(OWNER, upload_of(definition, None), sent(chunks_of(definition)))
    assert saved.pipeline_path == "up/mine.yaml"


async def test_what_is_there_can_be_kept(app: Application, tmp_path: Path) -> None:
    await app.transfers.upload(OWNER, upload_of(), sent(chunks_of(DEFINITION, WEIGHTS)))
    again = dataclasses.replace(upload_of(weights=None), must_not_exist=True)
    assert await refused(app, again, chunks_of(DEFINITION)) is Reason.ARTIFACT_EXISTS
    assert len(kept(tmp_path)) == 2


async def test_a_retry_is_answered_without_its_chunks(app: Application, tmp_path: Path) -> None:
    upload = upload_of(request_id="r1")
    first = await app.transfers.upload(OWNER, upload, sent(chunks_of(DEFINITION, WEIGHTS)))
    assert await app.transfers.upload(OWNER, upload, sent([])) == first
    other = upload_of(path="elsewhere", request_id="r1")
    assert await refused(app, other, chunks_of(DEFINITION, WEIGHTS)) is Reason.IDEMPOTENCY_CONFLICT
    app.clock.now += 3601
    await app.transfers.upload(OWNER, other, sent(chunks_of(DEFINITION, WEIGHTS)))
    assert "elsewhere.yaml" in kept(tmp_path)


async def test_a_retry_of_an_upload_that_failed_tries_again(app: Application) -> None:
    upload = upload_of(request_id="r1")
    assert await refused(app, upload, chunks_of(DEFINITION)) is Reason.UPLOAD_OFFSET_MISMATCH
    saved = await app.transfers.upload(OWNER, upload, sent(chunks_of(DEFINITION, WEIGHTS)))
    assert saved.pipeline_path == "up/mine.yaml"


async def test_sizes_are_bounded_before_anything_arrives(app: Application, tmp_path: Path) -> None:
    large = DeclaredFile("d", MAX_DEFINITION_BYTES + 1, bytes(32))
    too_long = dataclasses.replace(upload_of(), files=PipelineFiles(large))
    assert await refused(app, too_long, []) is Reason.CONFIG_TOO_COMPLEX
    small = Transfers(
        storage=app.transfers._storage,
        configs=app.source,
        catalog=await app.runtime.start(),
        limits=TransferLimits(weights=10),
    )
    with pytest.raises(Failure) as caught:
        await small.upload(OWNER, upload_of(), sent([]))
    assert caught.value.reason is Reason.QUOTA_DISK
    assert not kept(tmp_path)
