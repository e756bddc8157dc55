"""Who may start a run, and who attaches to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1.config_pb2 import DataConfig
from catenary.v1.training_pb2 import (
    TRAIN_STATUS_COMPLETED,
    TRAINER_TYPE_GRADIENT,
    TRAINER_TYPE_STATISTICAL,
    TrainerType,
)
from catenary.v1.training_requests_pb2 import GetTrainStatusRequest, TrainRequest
from catenary_conformance import rpcs
from catenary_conformance.requirement import capability, requirement
from catenary_conformance.running import running
from catenary_conformance.workload import canonical

if TYPE_CHECKING:
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload


def _not_started(
    target: Target, session_id: str, phase: TrainerType.ValueType, reason: str, data: DataConfig | None = None
) -> None:
    request = TrainRequest(session_id=session_id, trainer_type=phase, data=data)
    messages, answer = rpcs.TRAIN.exchange(target, request)
    rpcs.expect_reason(answer, reason)
    assert not messages, f"a run that could not start sent {messages}"
    status = rpcs.GET_TRAIN_STATUS.ok(target, GetTrainStatusRequest(session_id=session_id))
    assert not status.latest_progress.run_id, "a run that could not start is the latest one"


@requirement("CAT-TRN-006", "CAT-TRN-009")
def test_a_session_without_a_pipeline_cannot_train(target: Target, session: str) -> None:
    for phase in (TRAINER_TYPE_STATISTICAL, TRAINER_TYPE_GRADIENT):
        _not_started(target, session, phase, "STATE_INVALID")


@requirement("CAT-TRN-006", "CAT-TRN-010")
def test_a_gradient_run_needs_loss_nodes(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    workload.configure(session_id, workload.trainrun(loss_nodes=[]))
    workload.load_weights(session_id)
    _not_started(target, session_id, TRAINER_TYPE_GRADIENT, "CONFIG_INVALID")


@requirement("CAT-TRN-006")
@capability("datasets")
def test_a_run_needs_its_data(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    workload.configure(session_id)
    missing = DataConfig(config_bytes=canonical({**workload.data, "path": f"{target.unique('missing')}.npy"}))
    _not_started(target, session_id, TRAINER_TYPE_STATISTICAL, "DATASET_NOT_FOUND", missing)


@requirement("CAT-TRN-007")
def test_train_for_the_running_phase_attaches(target: Target, workload: Workload) -> None:
    with running(target, workload) as run:
        request = TrainRequest(session_id=run.session_id, trainer_type=TRAINER_TYPE_GRADIENT)
        with rpcs.TRAIN.open(target, request) as second:
            latest = second.receive()
            assert latest is not None, f"{second.answer}"
            assert latest.run_id == run.first.run_id
            assert latest.sequence >= run.first.sequence
            after = second.receive()
            assert after is not None, f"{second.answer}"
            assert after.run_id == run.first.run_id
            assert after.sequence > latest.sequence
            run.still_goes_on()


@requirement("CAT-TRN-008")
def test_train_for_another_phase_than_the_running_one_is_refused(target: Target, workload: Workload) -> None:
    with running(target, workload) as run:
        request = TrainRequest(session_id=run.session_id, trainer_type=TRAINER_TYPE_STATISTICAL)
        with rpcs.TRAIN.open(target, request) as second:
            assert second.receive() is None, "a stream of another phase has messages"
            rpcs.expect_reason(second.end(), "ALREADY_TRAINING")
        run.still_goes_on()


@requirement("CAT-TRN-028")
def test_the_request_id_of_a_run_attaches_to_it_also_when_it_has_ended(target: Target, workload: Workload) -> None:
    session_id = workload.trained()
    request = TrainRequest(session_id=session_id, trainer_type=TRAINER_TYPE_GRADIENT, request_id=target.unique("train"))
    first = rpcs.TRAIN.all(target, request)
    again = rpcs.TRAIN.all(target, request)
    assert first[-1].status == TRAIN_STATUS_COMPLETED
    assert again[-1] == first[-1], "the second call did not end with the terminal message of the first run"
    assert {each.run_id for each in again} == {first[0].run_id}, "a second run was started"


@requirement("CAT-TRN-028")
def test_the_request_id_of_a_run_attaches_to_it_while_it_works(target: Target, workload: Workload) -> None:
    with running(target, workload, request_id=target.unique("train")) as run:
        with rpcs.TRAIN.open(target, run.request) as second:
            assert second.receive().run_id == run.first.run_id
        run.still_goes_on()


@requirement("CAT-TRN-029")
def test_the_request_id_of_a_run_with_another_body_is_a_conflict(target: Target, workload: Workload) -> None:
    session_id = workload.trained()
    request_id = target.unique("train")
    request = TrainRequest(session_id=session_id, trainer_type=TRAINER_TYPE_STATISTICAL, request_id=request_id)
    rpcs.TRAIN.all(target, request)
    for other in (
        TrainRequest(session_id=session_id, trainer_type=TRAINER_TYPE_GRADIENT, request_id=request_id),
        TrainRequest(
            session_id=session_id,
            trainer_type=TRAINER_TYPE_STATISTICAL,
            request_id=request_id,
            data=workload.data_config,
        ),
    ):
        rpcs.TRAIN.refused(target, other, reason="IDEMPOTENCY_CONFLICT")


@requirement("CAT-TRN-028")
def test_without_a_request_id_a_phase_that_has_ended_trains_again(target: Target, workload: Workload) -> None:
    session_id = workload.trained()
    request = TrainRequest(session_id=session_id, trainer_type=TRAINER_TYPE_STATISTICAL)
    first, second = rpcs.TRAIN.all(target, request), rpcs.TRAIN.all(target, request)
    assert first[0].run_id != second[0].run_id


@requirement("CAT-TRN-006")
def test_data_and_training_may_come_with_the_request(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    workload.load_pipeline(session_id)
    request = TrainRequest(session_id=session_id, trainer_type=TRAINER_TYPE_STATISTICAL, data=workload.data_config)
    assert rpcs.TRAIN.all(target, request)[-1].status == TRAIN_STATUS_COMPLETED
