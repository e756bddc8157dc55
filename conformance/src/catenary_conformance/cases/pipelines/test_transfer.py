"""Pipelines travel between client and server with the bytes that were declared."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from catenary.v1.config_requests_pb2 import ResolveConfigRequest
from catenary.v1.pipeline_pb2 import PipelineConfig
from catenary.v1.pipeline_requests_pb2 import LoadPipelineRequest, LoadPipelineWeightsRequest
from catenary.v1.pipeline_transfer_pb2 import (
    DownloadPipelineRequest,
    PipelineFiles,
    UploadPipelineHeader,
    UploadPipelineRequest,
)
from catenary.v1.transfer_pb2 import FileChunk, TransferFile
from catenary_conformance import rpcs
from catenary_conformance.requirement import capability, needs_two_tenants, requirement
from catenary_conformance.upload import transfer_file
from catenary_conformance.workload import FOLDER

if TYPE_CHECKING:
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload

_CHUNK = 50_000


def _download(target: Target, path: str, *, definition_only: bool = False) -> tuple[PipelineFiles, list[bytes]]:
    """What the first message declares, and the content of the files; checks the form of the stream."""
    request = DownloadPipelineRequest(pipeline_path=path, definition_only=definition_only)
    first, *rest = rpcs.DOWNLOAD_PIPELINE.all(target, request)
    assert first.WhichOneof("part") == "files", "the first message does not declare the files"
    contents = [bytearray(), bytearray()]
    current = 0
    for message in rest:
        assert message.WhichOneof("part") == "chunk", "files are declared twice"
        chunk = message.chunk
        assert chunk.file_index >= current, "a chunk of the definition came after one of the weights"
        current = chunk.file_index
        assert chunk.offset == len(contents[current]), "there is a gap between two chunks"
        assert 1 <= len(chunk.content) <= 4 << 20, f"a chunk of {len(chunk.content)} bytes"
        contents[current] += chunk.content
    return first.files, [bytes(each) for each in contents]


def _messages(path: str, definition: bytes, weights: bytes, **changes: Any) -> list[UploadPipelineRequest]:  # noqa: ANN401
    """An upload as messages; with fields of the header otherwise."""
    fields: dict[str, Any] = {
        "pipeline_path": path,
        "files": PipelineFiles(
            definition=transfer_file("definition.yaml", definition),
            weights=transfer_file("weights.safetensors", weights),
        ),
    }
    header = UploadPipelineRequest(header=UploadPipelineHeader(**(fields | changes)))
    pieces = [(0, 0, definition)]
    pieces += [(1, start, weights[start : start + _CHUNK]) for start in range(0, len(weights), _CHUNK)]
    return [header, *(_chunk(*piece) for piece in pieces)]


def _chunk(index: int, offset: int, content: bytes) -> UploadPipelineRequest:
    return UploadPipelineRequest(chunk=FileChunk(file_index=index, offset=offset, content=content))


def _absent(target: Target, path: str) -> None:
    request = DownloadPipelineRequest(pipeline_path=path)
    rpcs.DOWNLOAD_PIPELINE.refused(target, request, reason="ARTIFACT_NOT_FOUND")


@pytest.fixture
def saved(workload: Workload) -> str:
    """Path of a saved pipeline with weights."""
    return workload.weights_path.removesuffix(".safetensors")


@requirement("CAT-PIP-020")
@capability("training")
def test_the_chunks_of_a_download_add_up_to_what_is_declared(target: Target, saved: str) -> None:
    files, contents = _download(target, saved)
    assert files.HasField("weights")
    for declared, content in zip((files.definition, files.weights), contents, strict=True):
        assert len(content) == declared.size_bytes, f"{declared.path}: {len(content)} bytes came"
        assert hashlib.sha256(content).digest() == declared.sha256, f"{declared.path} has another SHA-256"


@requirement("CAT-PIP-020")
@capability("training")
def test_a_definition_can_be_downloaded_alone(target: Target, saved: str) -> None:
    files, (definition, weights) = _download(target, saved, definition_only=True)
    assert not files.HasField("weights")
    assert definition
    assert not weights


@requirement("CAT-PIP-021")
def test_a_missing_pipeline_is_not_found(target: Target) -> None:
    _absent(target, f"{FOLDER}/{target.unique('missing')}")


@requirement("CAT-PIP-021")
@capability("training")
@needs_two_tenants
def test_a_foreign_pipeline_is_not_found_as_a_missing_one(target: Target, saved: str, second_token: str) -> None:
    request = DownloadPipelineRequest(pipeline_path=saved)
    rpcs.DOWNLOAD_PIPELINE.refused(target, request, reason="ARTIFACT_NOT_FOUND", token=second_token)


@requirement("CAT-PIP-012")
@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../b"])
def test_a_path_out_of_the_roots_is_refused_in_both_directions(target: Target, path: str) -> None:
    rpcs.DOWNLOAD_PIPELINE.refused(target, DownloadPipelineRequest(pipeline_path=path), reason="PATH_INVALID")
    header = _messages(path, b"nodes: []\n", b"x")[:1]
    rpcs.UPLOAD_PIPELINE.refused(target, *header, reason="PATH_INVALID")


@requirement("CAT-PIP-023")
@capability("training", "configs")
def test_an_uploaded_pipeline_downloads_resolves_and_loads_like_a_saved_one(
    target: Target, workload: Workload, saved: str
) -> None:
    _, (definition, weights) = _download(target, saved)
    path = f"{FOLDER}/uploaded"
    answer = rpcs.UPLOAD_PIPELINE.ok(target, *_messages(path, definition, weights))
    assert _download(target, path)[1] == [definition, weights]
    session_id = workload.open_session()
    resolve = ResolveConfigRequest(session_id=session_id, config_type="pipeline", path=answer.pipeline_path)
    config = PipelineConfig(config_bytes=rpcs.RESOLVE_CONFIG.ok(target, resolve).config_bytes)
    rpcs.LOAD_PIPELINE.ok(target, LoadPipelineRequest(session_id=session_id, pipeline=config))
    load = LoadPipelineWeightsRequest(session_id=session_id, weights_path=answer.weights_path)
    assert rpcs.LOAD_WEIGHTS.ok(target, load).resolved_path == answer.weights_path


@requirement("CAT-PIP-022")
@capability("training")
def test_a_file_with_another_sha256_is_data_loss_and_changes_nothing(target: Target, saved: str) -> None:
    _, (definition, weights) = _download(target, saved)
    path = f"{FOLDER}/{target.unique('checksum')}"
    messages = _messages(path, definition, weights)
    messages[-1].chunk.content = bytes(len(messages[-1].chunk.content))
    rpcs.UPLOAD_PIPELINE.refused(target, *messages, reason="UPLOAD_CHECKSUM_MISMATCH")
    _absent(target, path)


@requirement("CAT-PIP-022")
@capability("training")
def test_a_file_with_another_sha256_leaves_the_one_that_was_there(target: Target, saved: str) -> None:
    _, (definition, weights) = _download(target, saved)
    path = f"{FOLDER}/kept"
    rpcs.UPLOAD_PIPELINE.ok(target, *_messages(path, definition, weights))
    _, before = _download(target, path)
    messages = _messages(path, definition + b"\n# another\n", weights)
    messages[1].chunk.content = messages[1].chunk.content.replace(b"another", b"amother")
    rpcs.UPLOAD_PIPELINE.refused(target, *messages, reason="UPLOAD_CHECKSUM_MISMATCH")
    assert _download(target, path)[1] == before


@requirement("CAT-PIP-023")
@capability("training")
def test_a_chunk_at_another_offset_or_beyond_the_size_is_out_of_range(target: Target, saved: str) -> None:
    _, (definition, weights) = _download(target, saved)
    path = f"{FOLDER}/{target.unique('offset')}"
    header = _messages(path, definition, weights)[0]
    rpcs.UPLOAD_PIPELINE.refused(target, header, _chunk(0, 1, definition), reason="UPLOAD_OFFSET_MISMATCH")
    beyond = _chunk(0, 0, definition + b"\n")
    rpcs.UPLOAD_PIPELINE.refused(target, header, beyond, reason="UPLOAD_OFFSET_MISMATCH")
    _absent(target, path)


@requirement("CAT-PIP-023")
@capability("training")
def test_a_stream_that_breaks_off_leaves_nothing(target: Target, saved: str) -> None:
    _, (definition, weights) = _download(target, saved)
    path = f"{FOLDER}/{target.unique('broken')}"
    with rpcs.UPLOAD_PIPELINE.open(target, *_messages(path, definition, weights)[:2]) as stream:
        stream.cancel()
        stream.end()
    _absent(target, path)


@requirement("CAT-PIP-023")
@capability("training")
def test_a_retried_upload_answers_the_same_paths_and_another_header_is_a_conflict(target: Target, saved: str) -> None:
    _, (definition, weights) = _download(target, saved)
    path, request_id = f"{FOLDER}/retried-upload", target.unique("upload")
    messages = _messages(path, definition, weights, request_id=request_id)
    first = rpcs.UPLOAD_PIPELINE.ok(target, *messages)
    assert rpcs.UPLOAD_PIPELINE.ok(target, *messages) == first
    other = _messages(f"{path}-2", definition, weights, request_id=request_id)
    rpcs.UPLOAD_PIPELINE.refused(target, *other, reason="IDEMPOTENCY_CONFLICT")
    forbidden = _messages(path, definition, weights, must_not_exist=True)
    rpcs.UPLOAD_PIPELINE.refused(target, *forbidden, reason="ARTIFACT_EXISTS")


@requirement("CAT-PIP-023")
@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        (b"nodes: [", "CONFIG_INVALID"),
        (b"nodes:\n- {name: a, class_name: x, params: {_target_: os.system}}\n", "CONFIG_TARGET_FORBIDDEN"),
    ],
    ids=["yaml", "target"],
)
def test_a_definition_that_is_no_pipeline_is_refused(target: Target, definition: bytes, reason: str) -> None:
    path = f"{FOLDER}/{target.unique('invalid')}"
    files = PipelineFiles(definition=transfer_file("definition.yaml", definition))
    header = UploadPipelineRequest(header=UploadPipelineHeader(pipeline_path=path, files=files))
    rpcs.UPLOAD_PIPELINE.refused(target, header, _chunk(0, 0, definition), reason=reason)
    _absent(target, path)


@requirement("CAT-PIP-023")
@capability("training")
def test_weights_that_are_no_safetensors_are_refused(target: Target, saved: str) -> None:
    _, (definition, _) = _download(target, saved)
    weights = b"\x80\x04K\x01."
    path = f"{FOLDER}/{target.unique('pickle')}"
    messages = _messages(path, definition, weights)
    rpcs.UPLOAD_PIPELINE.refused(target, *messages, reason="WEIGHTS_FORMAT_FORBIDDEN")
    _absent(target, path)


@requirement("CAT-PIP-023")
def test_an_upload_begins_with_its_header(target: Target) -> None:
    answer = rpcs.UPLOAD_PIPELINE.answer(target, _chunk(0, 0, b"x"))
    rpcs.expect_reason(answer, "FIELD_INVALID")


@requirement("CAT-PIP-023")
def test_a_declared_file_needs_a_whole_sha256(target: Target) -> None:
    file = TransferFile(path="definition.yaml", size_bytes=1, sha256=b"short")
    header = UploadPipelineHeader(pipeline_path=f"{FOLDER}/short", files=PipelineFiles(definition=file))
    rpcs.UPLOAD_PIPELINE.refused(target, UploadPipelineRequest(header=header), reason="FIELD_INVALID")
