"""Losses repeat with the seed; one that is not finite ends the run."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from catenary.v1.config_pb2 import DataConfig
from catenary.v1.error_pb2 import ERROR_REASON_NON_FINITE_LOSS
from catenary.v1.training_pb2 import TRAIN_STATUS_FAILED, TRAINER_TYPE_GRADIENT, TRAINER_TYPE_STATISTICAL
from catenary.v1.training_requests_pb2 import TrainRequest
from catenary_conformance import progress, rpcs
from catenary_conformance.requirement import capability, requirement
from catenary_conformance.tensors import npy_file
from catenary_conformance.workload import BANDS, COLUMNS, ROWS, canonical

if TYPE_CHECKING:
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload

_STEEP = 10.0
_EPOCHS = 200


def _losses(target: Target, workload: Workload) -> list[dict[str, float]]:
    session_id = workload.open_session()
    workload.configure(session_id)
    found = []
    for phase in (TRAINER_TYPE_STATISTICAL, TRAINER_TYPE_GRADIENT):
        messages = rpcs.TRAIN.all(target, TrainRequest(session_id=session_id, trainer_type=phase))
        found += [dict(each.losses) for each in messages if each.losses]
    return found


@requirement("CAT-TRN-033")
def test_the_same_configuration_data_and_seed_give_the_same_losses(target: Target, workload: Workload) -> None:
    first = _losses(target, workload)
    assert first, "a gradient run told no loss"
    assert _losses(target, workload) == first


@requirement("CAT-TRN-038", "CAT-TRN-037")
def test_a_loss_that_diverges_ends_the_run_failed(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    config = workload.trainrun(epochs=_EPOCHS)
    config["training"]["optimizer"]["lr"] = _STEEP
    workload.configure(session_id, config)
    workload.load_weights(session_id)
    request = TrainRequest(session_id=session_id, trainer_type=TRAINER_TYPE_GRADIENT)
    messages = rpcs.TRAIN.all(target, request)
    progress.check_run(messages)
    finite = all(_finite(each.losses.values()) for each in messages)
    if finite and messages[-1].status != TRAIN_STATUS_FAILED and messages[-1].epochs_done == _EPOCHS:
        pytest.skip("the loss of this train run does not diverge at a learning rate of 10")
    assert messages[-1].status == TRAIN_STATUS_FAILED
    assert messages[-1].failure.reason == ERROR_REASON_NON_FINITE_LOSS


@requirement("CAT-TRN-038")
@capability("datasets")
def test_data_that_overflows_ends_the_run_with_the_reason(target: Target, workload: Workload) -> None:
    size = ROWS * COLUMNS * BANDS
    content = struct.pack(f"<{size}f", *(3e38 if index % 2 else -3e38 for index in range(size)))
    dataset = workload.upload("huge", content=npy_file((ROWS, COLUMNS, BANDS), content)).sent(target)
    data = DataConfig(config_bytes=canonical({**workload.data, "path": dataset.path}))
    request = TrainRequest(session_id=workload.trained(), trainer_type=TRAINER_TYPE_GRADIENT, data=data)
    messages, answer = rpcs.TRAIN.exchange(target, request)
    if not messages:  # the first step failed, so that no run began
        assert answer.reason in {"NON_FINITE_LOSS", "DATASET_INVALID"}, f"{answer}"
        return
    answer.expect_ok()
    assert messages[-1].failure.reason == ERROR_REASON_NON_FINITE_LOSS


def _finite(values: object) -> bool:
    return all(abs(each) < float("inf") for each in values)  # type: ignore[attr-defined] # of a map of floats
