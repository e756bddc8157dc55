"""A saved train run restores to what it was; a restore that fails changes nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from catenary.v1.pipeline_requests_pb2 import SavePipelineRequest
from catenary.v1.pipeline_transfer_pb2 import PipelineFiles, UploadPipelineHeader, UploadPipelineRequest
from catenary.v1.session_requests_pb2 import GetSessionRequest, ListSessionsRequest
from catenary.v1.train_run_config_pb2 import RestoreTrainRunRequest, SaveTrainRunRequest
from catenary.v1.training_pb2 import TRAINER_TYPE_STATISTICAL
from catenary.v1.transfer_pb2 import FileChunk
from catenary_conformance import rpcs
from catenary_conformance.pages import walk
from catenary_conformance.requirement import capability, requirement
from catenary_conformance.running import running
from catenary_conformance.safetensors import STRANGER
from catenary_conformance.upload import transfer_file
from catenary_conformance.workload import FOLDER, canonical

if TYPE_CHECKING:
    from catenary.v1.train_run_config_pb2 import SaveTrainRunResponse
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload

_SAVED = f"{FOLDER}/trainrun"


def _save(
    target: Target,
    session_id: str,
    path: str = _SAVED,
    *,
    save_weights: bool = True,
    must_not_exist: bool = False,
    request_id: str = "",
) -> SaveTrainRunResponse:
    request = SaveTrainRunRequest(
        session_id=session_id,
        trainrun_path=path,
        save_weights=save_weights,
        must_not_exist=must_not_exist,
        request_id=request_id,
    )
    return rpcs.SAVE_TRAINRUN.ok(target, request)


def _number_of_sessions(target: Target) -> int:
    return len(walk(target, rpcs.LIST_SESSIONS, "sessions"))


@requirement("CAT-TRN-024", "CAT-TRN-026", "CAT-TRN-041")
@capability("inference")
def test_a_saved_train_run_restores_to_the_same_configuration_pipeline_and_weights(
    target: Target, workload: Workload
) -> None:
    session_id = workload.open_session()
    workload.configure(session_id)
    workload.train(session_id, TRAINER_TYPE_STATISTICAL)  # so that no file has these weights yet
    saved = _save(target, session_id)
    assert saved.weights_path
    restored = rpcs.RESTORE_TRAINRUN.ok(target, RestoreTrainRunRequest(trainrun_path=saved.trainrun_path))
    assert restored.session_id not in {"", session_id}, "no new session was made"
    assert restored.weights_restored
    assert restored.resolved_weights_path == saved.weights_path
    config = json.loads(restored.trainrun.config_bytes)
    asked = workload.trainrun()
    for key in ("name", "pipeline", "data", "training", "loss_nodes"):
        assert _includes(config[key], asked[key]), f"{key} was restored otherwise"
    assert workload.outputs(restored.session_id, of=session_id) == workload.outputs(session_id)


def _includes(restored: object, asked: object) -> bool:
    """Whether what was asked for is in what was restored; a server may add defaults and say who saved it when."""
    if isinstance(asked, dict) and isinstance(restored, dict):
        return all(key == "metadata" or _includes(restored.get(key), value) for key, value in asked.items())
    if isinstance(asked, list) and isinstance(restored, list):
        return len(asked) == len(restored) and all(map(_includes, restored, asked))
    return restored == asked


@requirement("CAT-TRN-026")
@capability("inference")
def test_a_train_run_is_restored_into_the_session_that_is_named(target: Target, workload: Workload) -> None:
    here, there = workload.trained(), workload.open_session()
    saved = _save(target, here)
    request = RestoreTrainRunRequest(trainrun_path=saved.trainrun_path, session_id=there)
    assert rpcs.RESTORE_TRAINRUN.ok(target, request).session_id == there
    assert workload.outputs(there) == workload.outputs(here)


@requirement("CAT-TRN-041")
def test_a_train_run_saved_without_weights_restores_without_weights(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    workload.configure(session_id)
    saved = _save(target, session_id, f"{FOLDER}/bare", save_weights=False)
    assert not saved.weights_path
    restored = rpcs.RESTORE_TRAINRUN.ok(target, RestoreTrainRunRequest(trainrun_path=saved.trainrun_path))
    assert not restored.weights_restored
    assert not restored.resolved_weights_path


@requirement("CAT-TRN-024")
def test_a_train_run_saved_without_weights_refers_to_the_last_saved_pipeline(
    target: Target, workload: Workload
) -> None:
    session_id = workload.trained()
    pipeline = rpcs.SAVE_PIPELINE.ok(
        target, SavePipelineRequest(session_id=session_id, pipeline_path=f"{FOLDER}/referred")
    )
    saved = _save(target, session_id, f"{FOLDER}/referring", save_weights=False)
    assert (saved.pipeline_path, saved.weights_path) == (pipeline.pipeline_path, pipeline.weights_path)


@requirement("CAT-TRN-039", "CAT-TRN-025")
def test_saving_over_a_train_run_can_be_forbidden_and_leaves_it_whole(target: Target, workload: Workload) -> None:
    session_id = workload.trained()
    _save(target, session_id)
    before = _restored_config(target)
    workload.configure(session_id, workload.trainrun(epochs=9))
    request = SaveTrainRunRequest(session_id=session_id, trainrun_path=_SAVED, must_not_exist=True)
    rpcs.SAVE_TRAINRUN.refused(target, request, reason="ARTIFACT_EXISTS")
    assert _restored_config(target) == before


@requirement("CAT-TRN-025")
def test_a_save_that_fails_leaves_what_was_there(target: Target, workload: Workload) -> None:
    _save(target, workload.trained())
    before = _restored_config(target)
    with running(target, workload) as run:
        busy = SaveTrainRunRequest(session_id=run.session_id, trainrun_path=_SAVED, save_weights=True)
        rpcs.SAVE_TRAINRUN.refused(target, busy, reason="SESSION_BUSY")
        run.still_goes_on()
    empty = SaveTrainRunRequest(session_id=workload.open_session(), trainrun_path=_SAVED)
    rpcs.SAVE_TRAINRUN.refused(target, empty, reason="STATE_INVALID")
    assert _restored_config(target) == before


def _restored_config(target: Target) -> bytes:
    return rpcs.RESTORE_TRAINRUN.ok(target, RestoreTrainRunRequest(trainrun_path=_SAVED)).trainrun.config_bytes


@requirement("CAT-TRN-025")
@pytest.mark.parametrize("path", ["../escaped", "/escaped", "a/../../escaped"])
def test_a_path_that_leaves_the_roots_is_refused_in_both_directions(
    target: Target, workload: Workload, path: str
) -> None:
    session_id = workload.open_session()
    workload.configure(session_id)
    save = SaveTrainRunRequest(session_id=session_id, trainrun_path=path)
    rpcs.SAVE_TRAINRUN.refused(target, save, reason="PATH_INVALID")
    rpcs.RESTORE_TRAINRUN.refused(target, RestoreTrainRunRequest(trainrun_path=path), reason="PATH_INVALID")


@requirement("CAT-TRN-025")
def test_a_retried_save_answers_the_same_and_another_body_is_a_conflict(target: Target, workload: Workload) -> None:
    session_id, request_id = workload.trained(), target.unique("save")
    first = _save(target, session_id, request_id=request_id)
    assert _save(target, session_id, request_id=request_id) == first
    other = SaveTrainRunRequest(session_id=session_id, trainrun_path=f"{_SAVED}-2", request_id=request_id)
    rpcs.SAVE_TRAINRUN.refused(target, other, reason="IDEMPOTENCY_CONFLICT")


@requirement("CAT-TRN-040")
def test_a_retried_restore_answers_the_same_session_and_another_body_is_a_conflict(
    target: Target, workload: Workload
) -> None:
    _save(target, workload.trained())
    request = RestoreTrainRunRequest(trainrun_path=_SAVED, request_id=target.unique("restore"))
    first = rpcs.RESTORE_TRAINRUN.ok(target, request)
    assert rpcs.RESTORE_TRAINRUN.ok(target, request).session_id == first.session_id
    other = RestoreTrainRunRequest(trainrun_path=_SAVED, strict=False, request_id=request.request_id)
    rpcs.RESTORE_TRAINRUN.refused(target, other, reason="IDEMPOTENCY_CONFLICT")


@requirement("CAT-TRN-027")
@capability("inference")
def test_a_restore_that_fails_makes_no_session_and_leaves_a_named_one(target: Target, workload: Workload) -> None:
    session_id = workload.trained()
    _save(target, session_id)
    before, sessions = workload.outputs(session_id), _number_of_sessions(target)
    missing = f"{FOLDER}/{target.unique('missing')}"
    refusals = (
        (RestoreTrainRunRequest(trainrun_path=missing), "ARTIFACT_NOT_FOUND"),
        (RestoreTrainRunRequest(trainrun_path=_SAVED, weights_path=missing), "ARTIFACT_NOT_FOUND"),
        (RestoreTrainRunRequest(trainrun_path="../x"), "PATH_INVALID"),
    )
    for request, reason in refusals:
        rpcs.RESTORE_TRAINRUN.refused(target, request, reason=reason)
        request.session_id = session_id
        rpcs.RESTORE_TRAINRUN.refused(target, request, reason=reason)
        assert workload.outputs(session_id) == before
    assert _number_of_sessions(target) == sessions, "a restore that failed left a session"
    rpcs.GET_SESSION.ok(target, GetSessionRequest(session_id=session_id))
    rpcs.LIST_SESSIONS.ok(target, ListSessionsRequest(page_size=1))


@requirement("CAT-TRN-027")
def test_restoring_into_a_session_that_trains_is_refused(target: Target, workload: Workload) -> None:
    _save(target, workload.trained())
    with running(target, workload) as run:
        request = RestoreTrainRunRequest(trainrun_path=_SAVED, session_id=run.session_id)
        rpcs.RESTORE_TRAINRUN.refused(target, request, reason="SESSION_BUSY")
        run.still_goes_on()


def _upload(target: Target, workload: Workload, path: str, weights: bytes) -> str:
    """Path of weights that were uploaded beside the definition of the pipeline."""
    definition = canonical(workload.pipeline)
    files = PipelineFiles(
        definition=transfer_file("definition.yaml", definition),
        weights=transfer_file("weights.safetensors", weights),
    )
    header = UploadPipelineRequest(header=UploadPipelineHeader(pipeline_path=path, files=files))
    chunks = [
        UploadPipelineRequest(chunk=FileChunk(file_index=index, content=content))
        for index, content in enumerate((definition, weights))
    ]
    return rpcs.UPLOAD_PIPELINE.ok(target, header, *chunks).weights_path


@requirement("CAT-TRN-027")
@capability("pipeline-transfer")
def test_a_restore_with_weights_of_another_pipeline_is_refused_when_strict(target: Target, workload: Workload) -> None:
    _save(target, workload.trained())
    stranger = _upload(target, workload, f"{FOLDER}/stranger", STRANGER)
    sessions = _number_of_sessions(target)
    request = RestoreTrainRunRequest(trainrun_path=_SAVED, weights_path=stranger)
    rpcs.RESTORE_TRAINRUN.refused(target, request, reason="WEIGHTS_MISMATCH")
    assert _number_of_sessions(target) == sessions
    lenient = RestoreTrainRunRequest(trainrun_path=_SAVED, weights_path=stranger, strict=False)
    assert rpcs.RESTORE_TRAINRUN.ok(target, lenient).resolved_weights_path == stranger


@requirement("CAT-TRN-027")
def test_a_file_that_is_no_train_run_is_not_restored(target: Target, workload: Workload) -> None:
    sessions = _number_of_sessions(target)
    path = workload.weights_path.removesuffix(".safetensors")
    answer = rpcs.RESTORE_TRAINRUN.answer(target, RestoreTrainRunRequest(trainrun_path=path))
    assert answer.reason in {"CONFIG_INVALID", "ARTIFACT_CORRUPT"}, f"{answer}"
    assert _number_of_sessions(target) == sessions
