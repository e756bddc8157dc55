"""The messages of a run: their order, their numbers, their one end."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from catenary.v1.training_pb2 import (
    TRAIN_STATUS_COMPLETED,
    TRAINER_TYPE_GRADIENT,
    TRAINER_TYPE_STATISTICAL,
    TrainResponse,
)
from catenary_conformance import progress
from catenary_conformance.requirement import requirement

if TYPE_CHECKING:
    from catenary_conformance.workload import Workload

PHASES = {"statistical_run": TRAINER_TYPE_STATISTICAL, "gradient_run": TRAINER_TYPE_GRADIENT}


@pytest.fixture(params=PHASES)
def messages(request: pytest.FixtureRequest) -> list[TrainResponse]:
    found: list[TrainResponse] = request.getfixturevalue(request.param)
    return found


@requirement("CAT-TRN-005")
def test_a_stream_has_one_terminal_message_as_its_last(messages: list[TrainResponse]) -> None:
    progress.check_terminal(messages)
    assert messages[-1].status == TRAIN_STATUS_COMPLETED


@requirement("CAT-TRN-034")
def test_the_first_message_is_in_progress_and_only_legal_transitions_follow(messages: list[TrainResponse]) -> None:
    progress.check_transitions(messages)


@requirement("CAT-TRN-035")
def test_sequence_rises_by_one_and_run_and_phase_stay(messages: list[TrainResponse]) -> None:
    progress.check_identity(messages)
    progress.check_without_gaps(messages)


@requirement("CAT-TRN-032")
def test_epoch_batch_and_step_never_go_back(messages: list[TrainResponse]) -> None:
    progress.check_place(messages)


@requirement("CAT-TRN-037")
def test_a_run_that_completes_carries_no_failure(messages: list[TrainResponse]) -> None:
    progress.check_failure(messages)


@requirement("CAT-TRN-035")
@pytest.mark.parametrize(("which", "phase"), PHASES.items(), ids=["statistical", "gradient"])
def test_every_message_names_the_phase_that_was_asked_for(
    request: pytest.FixtureRequest, which: str, phase: int
) -> None:
    assert {each.phase for each in request.getfixturevalue(which)} == {phase}


@requirement("CAT-TRN-036")
def test_a_statistical_run_reports_every_batch_of_each_pass(statistical_run: list[TrainResponse]) -> None:
    passes = [list(group) for _, group in itertools.groupby(_batches(statistical_run), key=lambda each: each[0])]
    assert passes, "no batch was reported"
    for each in passes:
        done, total = [count for _, count, _ in each], each[-1][2]
        assert done in (list(range(1, total + 1)), list(range(total + 1))), f"batches {done} of {total}"


def _batches(messages: list[TrainResponse]) -> list[tuple[int, int, int]]:
    """Pass, batches done and batches in all, of each message in which they changed."""
    found: list[tuple[int, int, int]] = []
    number, before = 0, -1
    for each in messages:
        if not each.batches_total or each.batches_done == before:
            continue
        number += each.batches_done < before
        before = each.batches_done
        found.append((number, each.batches_done, each.batches_total))
    return found


@requirement("CAT-TRN-036")
def test_a_statistical_run_has_no_epochs(statistical_run: list[TrainResponse]) -> None:
    assert {each.epochs_done for each in statistical_run} == {0}


@requirement("CAT-TRN-032")
def test_a_gradient_run_takes_no_more_epochs_than_asked_for(
    gradient_run: list[TrainResponse], workload: Workload
) -> None:
    asked = workload.trainrun()["training"]["trainer"]["max_epochs"]
    assert {each.epochs_total for each in gradient_run} <= {0, asked}
    assert gradient_run[-1].epochs_done <= asked
    progress.check_counts(gradient_run)
