"""An upload goes on where it broke off, and ends READY with the declared bytes or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary.v1.dataset_pb2 import DATASET_STATE_READY, DATASET_STATE_UPLOADING
from catenary.v1.dataset_requests_pb2 import GetDatasetRequest, ListDatasetsRequest, UploadDatasetRequest
from catenary.v1.transfer_pb2 import FileChunk
from catenary_conformance import rpcs
from catenary_conformance.presuming import presuming
from catenary_conformance.requirement import requirement
from catenary_conformance.upload import Upload, transfer_file

if TYPE_CHECKING:
    from catenary.v1.dataset_pb2 import Dataset
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload

_HALF = 20_000


def _get(target: Target, upload: Upload) -> Dataset:
    return rpcs.GET_DATASET.ok(target, GetDatasetRequest(request_id=upload.request_id)).dataset


def _break_off(target: Target, upload: Upload, sent: int) -> Dataset:
    """Send the first bytes of an upload, wait until they are kept, and break off."""
    with rpcs.UPLOAD_DATASET.open(target, upload.header(), upload.chunk(0, sent)) as stream:
        stream.half_close()
        stream.end()
    return _get(target, upload)


@requirement("CAT-DAT-001", "CAT-DAT-010")
def test_an_upload_that_broke_off_goes_on_where_get_dataset_says(target: Target, workload: Workload) -> None:
    upload = workload.upload("resumed")
    begun = _break_off(target, upload, _HALF)
    assert begun.state == DATASET_STATE_UPLOADING
    assert not begun.path, "a dataset that is not READY has a path"
    received = begun.files[0].received_size_bytes
    assert received <= _HALF
    assert received > 0, "bytes that came with a half-closed stream were not kept"
    ready = rpcs.UPLOAD_DATASET.ok(target, upload.header(), upload.chunk(received)).dataset
    assert ready.state == DATASET_STATE_READY
    assert ready.dataset_id == begun.dataset_id
    assert ready.path
    assert ready.size_bytes == len(upload.content)
    assert ready.files[0].file == upload.header().header.files[0]


@requirement("CAT-DAT-010")
def test_the_bytes_reported_as_received_stay_when_the_connection_is_cut(target: Target, workload: Workload) -> None:
    upload = workload.upload("cut")
    begun = _break_off(target, upload, _HALF)
    with target.own_channel() as channel:
        stream = target.stream(rpcs.UPLOAD_DATASET.path, channel=channel)
        stream.send(upload.header())
        stream.drop()
        stream.end()
    after = _get(target, upload)
    assert after.files[0].received_size_bytes >= begun.files[0].received_size_bytes
    assert after.state == DATASET_STATE_UPLOADING


@requirement("CAT-DAT-002")
@pytest.mark.parametrize("wrong", [1, 20_001, 19_999, 0])
def test_a_chunk_at_another_offset_is_out_of_range_and_says_where_to_go_on(
    target: Target, workload: Workload, wrong: int
) -> None:
    upload = workload.upload("offset")
    received = _break_off(target, upload, _HALF).files[0].received_size_bytes
    assert wrong != received
    with presuming("CAT-DAT-010"):
        assert _get(target, upload).files[0].received_size_bytes == received, "what was reported as received is gone"
    answer = rpcs.UPLOAD_DATASET.refused(
        target, upload.header(), upload.chunk(wrong, wrong + 10), reason="UPLOAD_OFFSET_MISMATCH"
    )
    assert answer.metadata.get("next_offset") == str(received)
    assert _get(target, upload).files[0].received_size_bytes == received, "what was received is gone"


@requirement("CAT-DAT-002")
def test_bytes_beyond_the_declared_size_are_out_of_range(target: Target, workload: Workload) -> None:
    upload = workload.upload("beyond")
    beyond = UploadDatasetRequest(chunk=FileChunk(content=upload.content + b"x"))
    rpcs.UPLOAD_DATASET.refused(target, upload.header(), beyond, reason="UPLOAD_OFFSET_MISMATCH")
    assert _get(target, upload).state == DATASET_STATE_UPLOADING


@requirement("CAT-DAT-003")
def test_a_file_with_another_sha256_is_data_loss_and_not_ready(target: Target, workload: Workload) -> None:
    upload = workload.upload("checksum")
    wrong = UploadDatasetRequest(chunk=FileChunk(content=upload.content[:-1] + b"\xff"))
    rpcs.UPLOAD_DATASET.refused(target, upload.header(), wrong, reason="UPLOAD_CHECKSUM_MISMATCH")
    after = _get(target, upload)
    assert after.state == DATASET_STATE_UPLOADING
    assert after.files[0].received_size_bytes == 0, "a file that was damaged begins again"
    assert rpcs.UPLOAD_DATASET.ok(target, upload.header(), upload.chunk()).dataset.state == DATASET_STATE_READY


@requirement("CAT-DAT-004")
@pytest.mark.parametrize("state", ["uploading", "ready"])
def test_the_same_request_id_with_another_header_is_a_conflict(target: Target, workload: Workload, state: str) -> None:
    upload = workload.upload("conflict")
    if state == "ready":
        upload.sent(target)
    else:
        _break_off(target, upload, _HALF)
    other = upload.header(name=f"{upload.name}-other")
    rpcs.UPLOAD_DATASET.refused(target, other, reason="IDEMPOTENCY_CONFLICT")
    files = upload.header(files=[transfer_file(upload.path, b"other")])
    rpcs.UPLOAD_DATASET.refused(target, files, reason="IDEMPOTENCY_CONFLICT")


@requirement("CAT-DAT-005")
def test_uploading_a_ready_dataset_again_answers_it(target: Target, workload: Workload) -> None:
    upload = workload.upload("again")
    first = upload.sent(target)
    again = rpcs.UPLOAD_DATASET.ok(target, upload.header()).dataset
    assert (again.dataset_id, again.path, again.state) == (first.dataset_id, first.path, DATASET_STATE_READY)


@requirement("CAT-DAT-006")
@pytest.mark.parametrize("path", ["../escaped.npy", "/escaped.npy", "a/../../escaped.npy", "a\\..\\escaped.npy", ".."])
def test_the_path_of_a_file_that_leaves_the_dataset_is_refused(target: Target, workload: Workload, path: str) -> None:
    upload = workload.upload("escaped")
    header = upload.header(files=[transfer_file(path, upload.content)])
    rpcs.UPLOAD_DATASET.refused(target, header, upload.chunk(), reason="PATH_INVALID")
    named = rpcs.GET_DATASET.answer(target, GetDatasetRequest(request_id=upload.request_id))
    assert not named.ok, "there is a dataset although its file is nowhere"


@requirement("CAT-DAT-001")
def test_a_chunk_without_a_header_and_a_second_header_are_refused(target: Target, workload: Workload) -> None:
    upload = workload.upload("headers")
    rpcs.UPLOAD_DATASET.refused(target, upload.chunk(), reason="FIELD_INVALID")
    rpcs.UPLOAD_DATASET.refused(target, upload.header(), upload.header(), reason="FIELD_INVALID")


@requirement("CAT-DAT-001")
def test_files_come_in_the_order_of_their_declaration(target: Target, workload: Workload) -> None:
    upload = workload.upload("files")
    other = b"notes"
    header = upload.header(files=[transfer_file(upload.path, upload.content), transfer_file("notes.txt", other)])
    second = UploadDatasetRequest(chunk=FileChunk(file_index=1, content=other))
    answer = rpcs.UPLOAD_DATASET.answer(target, header, second)
    assert not answer.ok, "the second file came before the first"
    with presuming("CAT-DAT-002"):
        rpcs.expect_reason(answer, "UPLOAD_OFFSET_MISMATCH")


@requirement("CAT-DAT-003")
def test_a_file_that_is_not_what_its_suffix_says_is_refused(target: Target, workload: Workload) -> None:
    upload = workload.upload("unreadable", content=b"this is no array")
    rpcs.UPLOAD_DATASET.refused(target, upload.header(), upload.chunk(), reason="DATASET_INVALID")
    listed = rpcs.LIST_DATASETS.ok(target, ListDatasetsRequest()).datasets
    ready = [each.name for each in listed if each.state == DATASET_STATE_READY]
    assert upload.name not in ready


@requirement("CAT-DAT-001")
def test_another_stream_takes_an_upload_over(target: Target, workload: Workload) -> None:
    upload = workload.upload("taken")
    with rpcs.UPLOAD_DATASET.open(target, upload.header(), upload.chunk(0, _HALF)) as first:
        while not rpcs.GET_DATASET.answer(target, GetDatasetRequest(request_id=upload.request_id)).ok:
            assert first.answer is None, f"the upload ended: {first.answer}"
        rpcs.UPLOAD_DATASET.answer(target, upload.header())
        rpcs.expect_reason(first.end(), "STREAM_SUPERSEDED")
