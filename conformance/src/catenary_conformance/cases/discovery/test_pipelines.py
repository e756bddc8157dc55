"""Pipelines are listed once, by their path, and described by the text of their file."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from catenary.v1.discovery_service_pb2 import GetPipelineInfoRequest, ListAvailablePipelinesRequest
from catenary.v1.pipeline_pb2 import PipelineMetadata
from catenary.v1.pipeline_requests_pb2 import SavePipelineRequest
from catenary.v1.pipeline_transfer_pb2 import DownloadPipelineRequest
from catenary.v1.train_run_config_pb2 import SaveTrainRunRequest
from catenary_conformance import rpcs
from catenary_conformance.pages import walk
from catenary_conformance.requirement import capability, needs_two_tenants, requirement
from catenary_conformance.workload import FOLDER

if TYPE_CHECKING:
    from catenary.v1.pipeline_pb2 import PipelineInfo
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload

_DESCRIBED = 8


def _all(target: Target, *, filter_tag: str = "") -> list[PipelineInfo]:
    return walk(target, rpcs.LIST_PIPELINES, "pipelines", filter_tag=filter_tag)


def _saved(target: Target, workload: Workload, stem: str, *tags: str) -> str:
    session_id = workload.open_session()
    workload.configure(session_id)
    request = SavePipelineRequest(
        session_id=session_id, pipeline_path=f"{FOLDER}/{stem}", metadata=PipelineMetadata(tags=tags)
    )
    return rpcs.SAVE_PIPELINE.ok(target, request).pipeline_path


@requirement("CAT-DIS-003")
@pytest.mark.parametrize("page_size", [2, 5])
def test_following_the_page_tokens_gives_every_pipeline_once_sorted_by_path(target: Target, page_size: int) -> None:
    whole = _all(target)
    paths = [each.pipeline_path for each in whole]
    assert paths == sorted(set(paths))
    assert walk(target, rpcs.LIST_PIPELINES, "pipelines", page_size=page_size) == whole


@requirement("CAT-DIS-003")
@capability("training", "pipelines")
def test_a_saved_pipeline_is_listed_with_its_weights(target: Target, workload: Workload) -> None:
    path = _saved(target, workload, "listed")
    (found,) = [each for each in _all(target) if each.pipeline_path == path]
    assert found.weights_path
    assert not found.yaml_content, "a list has no text of files"


@requirement("CAT-DIS-003")
def test_a_page_token_that_the_server_never_gave_is_refused(target: Target) -> None:
    request = ListAvailablePipelinesRequest(page_token=target.unique("token"))
    rpcs.LIST_PIPELINES.refused(target, request, reason="FIELD_INVALID")


@requirement("CAT-DIS-004")
@capability("training", "pipelines")
def test_a_tag_leaves_exactly_the_pipelines_that_have_it(target: Target, workload: Workload) -> None:
    tag = target.unique("tag")
    one = _saved(target, workload, "tagged-1", tag, "other")
    two = _saved(target, workload, "tagged-2", tag)
    _saved(target, workload, "tagged-3", "other")
    assert [each.pipeline_path for each in _all(target, filter_tag=tag)] == sorted([one, two])
    assert _all(target, filter_tag=target.unique("nothing")) == []


@requirement("CAT-DIS-005")
def test_every_listed_path_is_described(target: Target) -> None:
    listed = _all(target)
    for each in (*listed[:: max(1, len(listed) // _DESCRIBED)], *listed[-1:]):
        info = rpcs.GET_PIPELINE_INFO.ok(target, GetPipelineInfoRequest(pipeline_path=each.pipeline_path)).pipeline_info
        assert (info.pipeline_path, info.metadata) == (each.pipeline_path, each.metadata)
        assert info.yaml_content


@requirement("CAT-DIS-006")
@capability("training", "pipelines", "pipeline-transfer")
def test_the_text_of_a_pipeline_is_that_of_its_file(target: Target, workload: Workload) -> None:
    path = _saved(target, workload, "text")
    described = rpcs.GET_PIPELINE_INFO.ok(target, GetPipelineInfoRequest(pipeline_path=path)).pipeline_info
    files = rpcs.DOWNLOAD_PIPELINE.all(target, DownloadPipelineRequest(pipeline_path=path, definition_only=True))
    assert hashlib.sha256(described.yaml_content.encode()).digest() == files[0].files.definition.sha256
    shorter = GetPipelineInfoRequest(pipeline_path=path.removesuffix(".yaml"))
    assert rpcs.GET_PIPELINE_INFO.ok(target, shorter).pipeline_info == described


@requirement("CAT-DIS-007")
def test_a_pipeline_that_is_not_there_is_not_found(target: Target) -> None:
    request = GetPipelineInfoRequest(pipeline_path=f"{FOLDER}/{target.unique('missing')}.yaml")
    rpcs.GET_PIPELINE_INFO.refused(target, request, reason="CONFIG_NOT_FOUND")


@requirement("CAT-DIS-007")
@pytest.mark.parametrize("path", ["../x.yaml", "/etc/hostname", "/etc/no-such-file.yaml", "a/../../b.yaml"])
def test_a_path_out_of_the_roots_is_refused_whether_or_not_something_is_there(target: Target, path: str) -> None:
    rpcs.GET_PIPELINE_INFO.refused(target, GetPipelineInfoRequest(pipeline_path=path), reason="PATH_INVALID")


@requirement("CAT-DIS-003", "CAT-DIS-007")
@capability("training", "pipelines")
@needs_two_tenants
def test_a_foreign_pipeline_is_neither_listed_nor_described(
    target: Target, workload: Workload, second_token: str
) -> None:
    path = _saved(target, workload, "mine")
    listed = walk(target, rpcs.LIST_PIPELINES, "pipelines", token=second_token)
    assert path not in {each.pipeline_path for each in listed}
    request = GetPipelineInfoRequest(pipeline_path=path)
    rpcs.GET_PIPELINE_INFO.refused(target, request, reason="CONFIG_NOT_FOUND", token=second_token)


@requirement("CAT-DIS-003", "CAT-DIS-006")
@capability("training", "pipelines")
def test_a_file_that_is_no_pipeline_is_not_listed_and_not_described(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    workload.configure(session_id)
    request = SaveTrainRunRequest(session_id=session_id, trainrun_path=f"{FOLDER}/no-pipeline")
    path = rpcs.SAVE_TRAINRUN.ok(target, request).trainrun_path
    assert path not in {each.pipeline_path for each in _all(target)}
    rpcs.GET_PIPELINE_INFO.refused(target, GetPipelineInfoRequest(pipeline_path=path), reason="ARTIFACT_CORRUPT")
