from __future__ import annotations

import pytest

from catenary.v1.error_pb2 import ERROR_REASON_TRAIN_CANCELLED, Failure
from catenary.v1.execution_stage_pb2 import EXECUTION_STAGE_TRAIN, EXECUTION_STAGE_VALIDATE
from catenary.v1.training_pb2 import (
    TRAIN_STATUS_CANCELLED,
    TRAIN_STATUS_COMPLETED,
    TRAIN_STATUS_IN_PROGRESS,
    TRAIN_STATUS_PAUSED,
    TRAINER_TYPE_GRADIENT,
    Context,
    TrainResponse,
)
from catenary_conformance import progress


def message(sequence: int, **fields: object) -> TrainResponse:
    defaults = {
        "sequence": sequence,
        "run_id": "r",
        "phase": TRAINER_TYPE_GRADIENT,
        "status": TRAIN_STATUS_IN_PROGRESS,
        "context": Context(stage=EXECUTION_STAGE_TRAIN, global_step=sequence),
    }
    return TrainResponse(**(defaults | fields))  # type: ignore[arg-type]  # fields of the message


GOOD = [message(1), message(2), message(3, status=TRAIN_STATUS_COMPLETED)]
CANCELLED = Failure(reason=ERROR_REASON_TRAIN_CANCELLED)


def test_a_good_run_passes_every_check() -> None:
    progress.check_run(GOOD)
    progress.check_without_gaps(GOOD)


def test_a_pause_and_a_cancelled_end_are_legal() -> None:
    paused = message(2, status=TRAIN_STATUS_PAUSED)
    progress.check_run([message(1), paused, message(3, status=TRAIN_STATUS_CANCELLED, failure=CANCELLED)])


def test_a_validation_counts_its_batches_by_itself() -> None:
    validation = message(3, context=Context(stage=EXECUTION_STAGE_VALIDATE, global_step=0))
    progress.check_run([message(1), message(2), validation, message(4, status=TRAIN_STATUS_COMPLETED)])


def test_no_message_and_no_end_and_two_ends_are_found() -> None:
    end = message(3, status=TRAIN_STATUS_COMPLETED)
    for wrong in ([], GOOD[:2], [*GOOD, end], [GOOD[0], end, GOOD[1]]):
        with pytest.raises(AssertionError):
            progress.check_terminal(wrong)


@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        (progress.check_transitions, [message(1, status=TRAIN_STATUS_PAUSED), *GOOD]),
        (progress.check_transitions, [GOOD[0], message(2, status=TRAIN_STATUS_PAUSED), GOOD[2]]),
        (progress.check_identity, [message(2), message(2)]),
        (progress.check_identity, [message(1), message(2, run_id="other")]),
        (progress.check_identity, [message(1), message(2, phase=1)]),
        (progress.check_identity, [message(1, run_id="")]),
        (progress.check_without_gaps, [message(1), message(3)]),
        (progress.check_failure, [message(1, failure=CANCELLED)]),
        (progress.check_failure, [message(1, status=TRAIN_STATUS_CANCELLED)]),
        (progress.check_place, [message(2), message(3, context=Context(stage=EXECUTION_STAGE_TRAIN, global_step=1))]),
        (
            progress.check_place,
            [message(i, context=Context(stage=EXECUTION_STAGE_TRAIN, epoch=e)) for i, e in ((1, 1), (2, 0))],
        ),
        (
            progress.check_place,
            [message(i, context=Context(stage=EXECUTION_STAGE_TRAIN, batch_idx=b)) for i, b in ((1, 1), (2, 0))],
        ),
        (progress.check_counts, [message(1, batches_done=3, batches_total=2)]),
        (progress.check_counts, [message(1, epochs_done=3, epochs_total=2)]),
    ],
)
def test_a_fault_is_found(check: progress.Check, wrong: list[TrainResponse]) -> None:
    with pytest.raises(AssertionError):
        check(wrong)
