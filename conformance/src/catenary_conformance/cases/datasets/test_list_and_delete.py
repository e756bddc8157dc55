"""Datasets are listed, looked up and deleted; those of others are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1.config_pb2 import DataConfig
from catenary.v1.dataset_requests_pb2 import DeleteDatasetRequest, GetDatasetRequest, ListDatasetsRequest
from catenary.v1.training_pb2 import TRAINER_TYPE_STATISTICAL
from catenary.v1.training_requests_pb2 import TrainRequest
from catenary_conformance import rpcs
from catenary_conformance.pages import walk
from catenary_conformance.presuming import presuming
from catenary_conformance.requirement import capability, needs_two_tenants, requirement
from catenary_conformance.workload import canonical

if TYPE_CHECKING:
    from catenary.v1.dataset_pb2 import Dataset
    from catenary_conformance.target import Target
    from catenary_conformance.upload import Upload
    from catenary_conformance.workload import Workload

_DATASETS = 5


def _labelled(workload: Workload, label: str, *, colour: str = "") -> Upload:
    labels = {"case": label} | ({"colour": colour} if colour else {})
    return workload.upload("listed", labels=labels)


def _unfinished(target: Target, upload: Upload) -> str:
    """Id of a dataset of which only the header was sent."""
    rpcs.UPLOAD_DATASET.answer(target, upload.header(), upload.chunk(0, 10))
    return rpcs.GET_DATASET.ok(target, GetDatasetRequest(request_id=upload.request_id)).dataset.dataset_id


def _ids(listed: list[Dataset]) -> list[str]:
    return [each.dataset_id for each in listed]


@requirement("CAT-DAT-007", "CAT-DAT-008")
def test_following_the_page_tokens_gives_every_dataset_once_those_unfinished_included(
    target: Target, workload: Workload
) -> None:
    label = target.unique("pages")
    made = [_labelled(workload, label).sent(target).dataset_id for _ in range(_DATASETS)]
    made.append(_unfinished(target, _labelled(workload, label)))
    for page_size in (1, 2, len(made) - 1, len(made)):
        listed = walk(target, rpcs.LIST_DATASETS, "datasets", page_size=page_size, labels={"case": label})
        assert _ids(listed) == made, f"with pages of {page_size}"
    for dataset_id in made:
        rpcs.DELETE_DATASET.ok(target, DeleteDatasetRequest(dataset_id=dataset_id))


@requirement("CAT-DAT-007")
def test_labels_leave_only_datasets_that_carry_all_of_them(target: Target, workload: Workload) -> None:
    label = target.unique("labels")
    red = _labelled(workload, label, colour="red").sent(target)
    _labelled(workload, label, colour="blue").sent(target)
    listed = walk(target, rpcs.LIST_DATASETS, "datasets", labels={"case": label, "colour": "red"})
    assert _ids(listed) == [red.dataset_id]


@requirement("CAT-DAT-008")
def test_a_page_token_that_the_server_never_gave_is_refused(target: Target) -> None:
    request = ListDatasetsRequest(page_token=target.unique("token"))
    rpcs.LIST_DATASETS.refused(target, request, reason="FIELD_INVALID")


@requirement("CAT-DAT-009")
def test_an_unknown_and_a_deleted_dataset_answer_the_same(target: Target, workload: Workload) -> None:
    upload = workload.upload("deleted")
    dataset_id = upload.sent(target).dataset_id
    rpcs.DELETE_DATASET.ok(target, DeleteDatasetRequest(dataset_id=dataset_id))
    unknown = target.unique("unknown")
    for request in (GetDatasetRequest(dataset_id=unknown), GetDatasetRequest(request_id=unknown)):
        rpcs.GET_DATASET.refused(target, request, reason="DATASET_NOT_FOUND")
    for request in (GetDatasetRequest(dataset_id=dataset_id), GetDatasetRequest(request_id=upload.request_id)):
        answer = rpcs.GET_DATASET.answer(target, request)
        with presuming("CAT-DAT-012"):
            assert not answer.ok, "a deleted dataset is found"
        rpcs.expect_reason(answer, "DATASET_NOT_FOUND")


@requirement("CAT-DAT-007", "CAT-DAT-009")
@needs_two_tenants
def test_a_foreign_dataset_is_neither_found_nor_listed_nor_deleted(
    target: Target, workload: Workload, second_token: str
) -> None:
    label = target.unique("tenants")
    dataset_id = _labelled(workload, label).sent(target).dataset_id
    get = GetDatasetRequest(dataset_id=dataset_id)
    rpcs.GET_DATASET.refused(target, get, reason="DATASET_NOT_FOUND", token=second_token)
    assert not walk(target, rpcs.LIST_DATASETS, "datasets", labels={"case": label}, token=second_token)
    delete = DeleteDatasetRequest(dataset_id=dataset_id)
    rpcs.DELETE_DATASET.refused(target, delete, reason="DATASET_NOT_FOUND", token=second_token)
    rpcs.GET_DATASET.ok(target, get)


@requirement("CAT-DAT-011")
def test_deleting_a_deleted_dataset_succeeds(target: Target, workload: Workload) -> None:
    request = DeleteDatasetRequest(dataset_id=workload.upload("twice").sent(target).dataset_id)
    for _ in range(3):
        rpcs.DELETE_DATASET.ok(target, request)


@requirement("CAT-DAT-009")
def test_deleting_what_never_was_is_refused(target: Target) -> None:
    request = DeleteDatasetRequest(dataset_id=target.unique("never"))
    rpcs.DELETE_DATASET.refused(target, request, reason="DATASET_NOT_FOUND")


@requirement("CAT-DAT-012")
@capability("training", "pipelines")
def test_a_deleted_dataset_is_not_listed_and_no_run_reads_it(target: Target, workload: Workload) -> None:
    label = target.unique("gone")
    dataset = _labelled(workload, label).sent(target)
    data = DataConfig(config_bytes=canonical({**workload.data, "path": dataset.path}))
    rpcs.DELETE_DATASET.ok(target, DeleteDatasetRequest(dataset_id=dataset.dataset_id))
    assert not walk(target, rpcs.LIST_DATASETS, "datasets", labels={"case": label})
    session_id = workload.open_session()
    workload.configure(session_id)
    request = TrainRequest(session_id=session_id, trainer_type=TRAINER_TYPE_STATISTICAL, data=data)
    rpcs.TRAIN.refused(target, request, reason="DATASET_NOT_FOUND")
