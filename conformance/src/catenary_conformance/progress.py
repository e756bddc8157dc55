"""What must hold of the messages of one stream of a run."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from catenary.v1.execution_stage_pb2 import ExecutionStage
from catenary.v1.training_pb2 import (
    TRAIN_STATUS_CANCELLED,
    TRAIN_STATUS_COMPLETED,
    TRAIN_STATUS_FAILED,
    TRAIN_STATUS_IN_PROGRESS,
    TRAIN_STATUS_PAUSED,
    TrainResponse,
    TrainStatus,
)
from catenary_conformance.presuming import presuming

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Check = Callable[[Sequence[TrainResponse]], None]

TERMINAL = frozenset({TRAIN_STATUS_COMPLETED, TRAIN_STATUS_FAILED, TRAIN_STATUS_CANCELLED})
"""States of a run that are final."""
WITH_FAILURE = frozenset({TRAIN_STATUS_FAILED, TRAIN_STATUS_CANCELLED})

_FOLLOWS = {
    TRAIN_STATUS_IN_PROGRESS: {TRAIN_STATUS_IN_PROGRESS, TRAIN_STATUS_PAUSED, *TERMINAL},
    TRAIN_STATUS_PAUSED: {TRAIN_STATUS_PAUSED, TRAIN_STATUS_IN_PROGRESS, TRAIN_STATUS_FAILED, TRAIN_STATUS_CANCELLED},
}
"""Legal transitions, as the comment of TrainStatus lists them."""


def check_terminal(messages: Sequence[TrainResponse]) -> None:
    """CAT-TRN-005: exactly one terminal message, as the last."""
    assert messages, "a stream that ended with status OK delivered no message"
    terminal = [each.sequence for each in messages if each.status in TERMINAL]
    assert len(terminal) == 1, f"{len(terminal)} terminal messages"
    assert messages[-1].status in TERMINAL, f"a message came after the terminal one: {messages[-1]}"


def check_transitions(messages: Sequence[TrainResponse]) -> None:
    """CAT-TRN-034: IN_PROGRESS first, and only the transitions that TrainStatus lists."""
    assert messages[0].status == TRAIN_STATUS_IN_PROGRESS, f"the first message is {messages[0]}"
    for before, after in itertools.pairwise(messages):
        legal = _FOLLOWS.get(before.status, set())
        names = TrainStatus.Name(before.status), TrainStatus.Name(after.status)
        assert after.status in legal, f"{names[1]} follows {names[0]} at sequence {after.sequence}"


def check_identity(messages: Sequence[TrainResponse]) -> None:
    """CAT-TRN-035: sequence rises strictly; run and phase stay the same."""
    assert messages[0].run_id, "the run has no run_id"
    for before, after in itertools.pairwise(messages):
        assert after.sequence > before.sequence, f"sequence {after.sequence} follows {before.sequence}"
        assert after.run_id == before.run_id, "the run_id changed"
        assert after.phase == before.phase, "the phase changed"


def check_without_gaps(messages: Sequence[TrainResponse]) -> None:
    """The comment of `sequence`: 1 for the first event, rising by 1; for a reader that was not slow."""
    assert [each.sequence for each in messages] == list(range(1, len(messages) + 1)), "the sequence has gaps"


def check_place(messages: Sequence[TrainResponse]) -> None:
    """CAT-TRN-032: within a stage, epoch and batch never go back, and global_step never falls."""
    last: dict[int, TrainResponse] = {}
    for message in messages:
        stage = message.context.stage
        before = last.get(stage)
        if before is not None:
            _check_step(before, message)
        last[stage] = message


def _check_step(before: TrainResponse, after: TrainResponse) -> None:
    then, now = before.context, after.context
    where = f"in stage {ExecutionStage.Name(now.stage)}, sequence {after.sequence}"
    assert now.global_step >= then.global_step, (
        f"global_step falls from {then.global_step} to {now.global_step} {where}"
    )
    assert now.epoch >= then.epoch, f"epoch goes back from {then.epoch} to {now.epoch} {where}"
    if now.epoch == then.epoch:
        assert now.batch_idx >= then.batch_idx, f"batch goes back from {then.batch_idx} to {now.batch_idx} {where}"


def check_failure(messages: Sequence[TrainResponse]) -> None:
    """CAT-TRN-037: FAILED and CANCELLED carry a failure with a reason, nothing else does."""
    for message in messages:
        if message.status in WITH_FAILURE:
            assert message.failure.reason, f"no reason in {message}"
        else:
            assert not message.HasField("failure"), f"a failure in {message}"


def check_counts(messages: Sequence[TrainResponse]) -> None:
    """CAT-TRN-036: counts stay below their totals."""
    for each in messages:
        assert not each.batches_total or each.batches_done <= each.batches_total, f"more than all batches: {each}"
        assert not each.epochs_total or each.epochs_done <= each.epochs_total, f"more than all epochs: {each}"


_CHECKS: Mapping[str, Check] = {
    "CAT-TRN-005": check_terminal,
    "CAT-TRN-034": check_transitions,
    "CAT-TRN-035": check_identity,
    "CAT-TRN-037": check_failure,
    "CAT-TRN-032": check_place,
    "CAT-TRN-036": check_counts,
}


def check_run(messages: Sequence[TrainResponse]) -> None:
    """All of the above, for the whole stream of a run; each blames its own requirement."""
    for requirement_id, check in _CHECKS.items():
        with presuming(requirement_id):
            check(messages)
