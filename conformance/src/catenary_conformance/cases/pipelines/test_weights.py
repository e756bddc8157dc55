"""Weights load all or nothing, in one format only."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from catenary.v1.pipeline_requests_pb2 import LoadPipelineWeightsRequest
from catenary.v1.pipeline_transfer_pb2 import DownloadPipelineRequest
from catenary_conformance import rpcs
from catenary_conformance.presuming import presuming
from catenary_conformance.requirement import capability, requirement
from catenary_conformance.safetensors import STRANGER, header_length, safetensors_file, tensor_names
from catenary_conformance.workload import FOLDER

if TYPE_CHECKING:
    from catenary_conformance.cases.pipelines.conftest import Pipelines
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload


@pytest.fixture(scope="module")
def session_id(workload: Workload) -> str:
    """A session with a trained pipeline that the cases share: weights that are refused leave no trace in it."""
    return workload.trained()


@pytest.fixture(scope="module")
def weights(target: Target, workload: Workload) -> bytes:
    """The trained weights."""
    if not workload.claims("pipeline-transfer"):
        pytest.skip("the target does not send pipelines, so its weights cannot be changed")
    request = DownloadPipelineRequest(pipeline_path=workload.weights_path.removesuffix(".safetensors"))
    parts = rpcs.DOWNLOAD_PIPELINE.all(target, request)
    return b"".join(each.chunk.content for each in parts[1:] if each.chunk.file_index == 1)


def _load(session_id: str, weights: bytes, *, strict: bool | None = None) -> LoadPipelineWeightsRequest:
    return LoadPipelineWeightsRequest(session_id=session_id, weights_bytes=weights, strict=strict)


@requirement("CAT-PIP-005")
@capability("training", "inference", "pipeline-transfer")
def test_weights_that_are_refused_leave_the_former_ones_in_use(
    target: Target, pipelines: Pipelines, workload: Workload, session_id: str, weights: bytes
) -> None:
    inputs = workload.inputs(session_id)
    before = pipelines.outputs(session_id, inputs)
    refusals = (
        ("CAT-PIP-007", pickle.dumps({"weights": [1, 2]}), "WEIGHTS_FORMAT_FORBIDDEN"),
        ("CAT-PIP-008", weights[: len(weights) // 2], "WEIGHTS_CORRUPT"),
        ("CAT-PIP-006", STRANGER, "WEIGHTS_MISMATCH"),
    )
    for requirement_id, content, reason in refusals:
        with presuming(requirement_id):
            rpcs.LOAD_WEIGHTS.refused(target, _load(session_id, content), reason=reason)
        assert pipelines.outputs(session_id, inputs) == before, f"other outputs after {reason}"


@requirement("CAT-PIP-006")
@capability("training", "pipeline-transfer")
@pytest.mark.parametrize("strict", [None, True], ids=["unset", "true"])
def test_a_missing_or_unexpected_name_is_a_mismatch_when_strict(
    target: Target,
    session_id: str,
    weights: bytes,
    strict: bool | None,  # noqa: FBT001 - a value of the field
) -> None:
    rpcs.LOAD_WEIGHTS.refused(target, _load(session_id, STRANGER, strict=strict), reason="WEIGHTS_MISMATCH")
    rpcs.LOAD_WEIGHTS.ok(target, _load(session_id, weights, strict=strict))


@requirement("CAT-PIP-006")
@capability("training", "pipeline-transfer")
def test_names_that_one_side_lacks_are_reported_when_not_strict(
    target: Target, session_id: str, weights: bytes
) -> None:
    answer = rpcs.LOAD_WEIGHTS.ok(target, _load(session_id, STRANGER, strict=False))
    assert list(answer.unexpected_names) == ["conformance.stranger"]
    assert set(answer.missing_names) == set(tensor_names(weights))
    assert answer.resolved_path == "(client-bytes)"


@requirement("CAT-PIP-006")
@capability("training", "pipeline-transfer")
@pytest.mark.parametrize("strict", [True, False])
def test_a_wrong_shape_is_a_mismatch_always(
    target: Target,
    session_id: str,
    weights: bytes,
    strict: bool,  # noqa: FBT001 - a value of the field
) -> None:
    name = tensor_names(weights)[0]
    shape = [3, 5, 7, 11, 13]
    wrong = safetensors_file({name: (shape, bytes(4 * 3 * 5 * 7 * 11 * 13))})
    rpcs.LOAD_WEIGHTS.refused(target, _load(session_id, wrong, strict=strict), reason="WEIGHTS_MISMATCH")


class _Executed:
    """A pickle of it would run `exit` where it is read."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return exit, (1,)


@requirement("CAT-PIP-007")
@capability("training")
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))  # older ones cannot be told from noise
def test_a_pickle_is_refused_and_not_executed(
    target: Target, workload: Workload, session_id: str, protocol: int
) -> None:
    content = pickle.dumps(_Executed(), protocol=protocol)
    rpcs.LOAD_WEIGHTS.refused(target, _load(session_id, content), reason="WEIGHTS_FORMAT_FORBIDDEN")
    workload.inputs(session_id)


@requirement("CAT-PIP-007")
@capability("training")
def test_a_torch_archive_is_refused(target: Target, session_id: str) -> None:
    archive = b"PK\x03\x04" + bytes(26) + b"archive/data.pkl" + pickle.dumps(_Executed())
    rpcs.LOAD_WEIGHTS.refused(target, _load(session_id, archive), reason="WEIGHTS_FORMAT_FORBIDDEN")


@requirement("CAT-PIP-008")
@capability("training", "pipeline-transfer")
@pytest.mark.parametrize("damage", ["cut", "header", "offsets"])
def test_damaged_weights_are_data_loss(target: Target, session_id: str, weights: bytes, damage: str) -> None:
    length = header_length(weights)
    damaged = {
        "cut": weights[:-1],
        "header": weights[:8] + b"{" * length + weights[8 + length :],
        "offsets": weights[: 8 + length],
    }
    rpcs.LOAD_WEIGHTS.refused(target, _load(session_id, damaged[damage]), reason="WEIGHTS_CORRUPT")


@requirement("CAT-PIP-009")
@capability("training")
def test_the_sibling_of_a_pt_file_is_loaded_and_named(target: Target, workload: Workload, session_id: str) -> None:
    asked = workload.weights_path.removesuffix(".safetensors") + ".pt"
    request = LoadPipelineWeightsRequest(session_id=session_id, weights_path=asked)
    assert rpcs.LOAD_WEIGHTS.ok(target, request).resolved_path == workload.weights_path


@requirement("CAT-PIP-005")
@capability("training")
def test_weights_that_are_not_there_are_not_found(target: Target, session_id: str) -> None:
    missing = f"{FOLDER}/{target.unique('missing')}.safetensors"
    request = LoadPipelineWeightsRequest(session_id=session_id, weights_path=missing)
    rpcs.LOAD_WEIGHTS.refused(target, request, reason="ARTIFACT_NOT_FOUND")


@requirement("CAT-PIP-012")
@capability("training")
@pytest.mark.parametrize("path", ["../weights.safetensors", "/etc/passwd", "a/../../b.safetensors"])
def test_weights_outside_the_roots_are_refused(target: Target, session_id: str, path: str) -> None:
    request = LoadPipelineWeightsRequest(session_id=session_id, weights_path=path)
    rpcs.LOAD_WEIGHTS.refused(target, request, reason="PATH_INVALID")


@requirement("CAT-PIP-013")
def test_weights_need_a_pipeline(target: Target, session: str) -> None:
    rpcs.LOAD_WEIGHTS.refused(target, _load(session, safetensors_file({})), reason="STATE_INVALID")
