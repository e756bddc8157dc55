"""Watching a run: its present state, then its events, once and in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary.v1.training_pb2 import TRAINER_TYPE_GRADIENT, TRAINER_TYPE_STATISTICAL, TrainResponse
from catenary.v1.training_requests_pb2 import TrainRequest, WatchTrainingRequest, WatchTrainingResponse
from catenary_conformance import progress, rpcs
from catenary_conformance.presuming import presuming
from catenary_conformance.requirement import needs_two_tenants, requirement
from catenary_conformance.running import running

if TYPE_CHECKING:
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload


def _finished(target: Target, workload: Workload) -> tuple[str, list[TrainResponse]]:
    session_id = workload.trained()
    request = TrainRequest(session_id=session_id, trainer_type=TRAINER_TYPE_GRADIENT)
    messages = rpcs.TRAIN.all(target, request)
    progress.check_run(messages)
    return session_id, messages


def _events(updates: list[WatchTrainingResponse]) -> list[TrainResponse]:
    return [each.progress for each in updates[1:]]


@requirement("CAT-TRN-012", "CAT-TRN-013", "CAT-TRN-014")
@pytest.mark.parametrize("part", [0.0, 0.5, 1.0], ids=["all", "half", "none"])
def test_a_watch_gives_a_snapshot_and_every_event_after_the_sequence(
    target: Target, workload: Workload, part: float
) -> None:
    session_id, messages = _finished(target, workload)
    after = int(messages[-1].sequence * part)
    request = WatchTrainingRequest(session_id=session_id, after_sequence=after)
    updates = rpcs.WATCH_TRAINING.all(target, request)
    kinds = [each.WhichOneof("update") for each in updates]
    with presuming("CAT-TRN-012"):
        assert kinds == ["snapshot"] + ["progress"] * (len(updates) - 1)
        assert updates[0].snapshot == messages[-1], "the snapshot is not the latest progress"
    wanted = [each for each in messages if each.sequence > after]
    dropped = updates[-1].dropped_count
    assert len(_events(updates)) + dropped == len(wanted)
    assert [each for each in wanted if each in _events(updates)] == _events(updates), "out of order, or invented"


@requirement("CAT-TRN-013")
def test_a_watcher_sees_the_events_of_a_run_that_works_once_and_in_order(target: Target, workload: Workload) -> None:
    with running(target, workload) as run:
        with rpcs.WATCH_TRAINING.open(target, WatchTrainingRequest(session_id=run.session_id)) as watch:
            first = watch.receive()
            assert first.WhichOneof("update") == "snapshot"
            run.stop()
            watch.end().expect_ok()
            updates = list(watch.received)
        sequences = [each.progress.sequence for each in updates[1:]]
        assert sequences == sorted(set(sequences)), "an event came twice or out of order"
        assert len(sequences) + updates[-1].dropped_count == run.stream.received[-1].sequence
        assert updates[-1].progress == run.stream.received[-1]
        assert updates[-1].progress.status in progress.TERMINAL


@requirement("CAT-TRN-014")
def test_nothing_follows_a_terminal_snapshot_when_nothing_is_left(target: Target, workload: Workload) -> None:
    session_id, messages = _finished(target, workload)
    request = WatchTrainingRequest(session_id=session_id, after_sequence=messages[-1].sequence + 5)
    assert len(rpcs.WATCH_TRAINING.all(target, request)) == 1


@requirement("CAT-TRN-015")
def test_a_watcher_that_goes_away_leaves_the_run_and_other_watchers(target: Target, workload: Workload) -> None:
    with running(target, workload) as run:
        request = WatchTrainingRequest(session_id=run.session_id, run_id=run.first.run_id)
        with rpcs.WATCH_TRAINING.open(target, request) as stays:
            assert stays.receive() is not None
            with rpcs.WATCH_TRAINING.open(target, request) as leaves:
                assert leaves.receive() is not None
            for _ in range(2):
                assert stays.receive() is not None, f"{stays.answer}"
            run.still_goes_on()


@requirement("CAT-TRN-012")
def test_without_a_run_id_the_latest_run_is_watched_and_by_its_id_an_earlier_one(
    target: Target, workload: Workload
) -> None:
    session_id, earlier = _finished(target, workload)
    again = TrainRequest(session_id=session_id, trainer_type=TRAINER_TYPE_STATISTICAL)
    latest = rpcs.TRAIN.all(target, again)
    for run_id, expected in (("", latest), (earlier[0].run_id, earlier)):
        request = WatchTrainingRequest(session_id=session_id, run_id=run_id)
        answer = rpcs.WATCH_TRAINING.exchange(target, request)
        if run_id and answer[1].reason == "RUN_NOT_FOUND":
            continue  # a server need not keep earlier runs
        assert answer[0][0].snapshot == expected[-1]


@requirement("CAT-TRN-013")
def test_there_is_nothing_to_watch_before_the_first_run(target: Target, session: str) -> None:
    rpcs.WATCH_TRAINING.refused(target, WatchTrainingRequest(session_id=session), reason="STATE_INVALID")


@requirement("CAT-TRN-013")
def test_a_run_of_another_session_is_not_found(target: Target, workload: Workload) -> None:
    _, messages = _finished(target, workload)
    session_id, _ = _finished(target, workload)
    for run_id in (messages[0].run_id, target.unique("run")):
        request = WatchTrainingRequest(session_id=session_id, run_id=run_id)
        rpcs.WATCH_TRAINING.refused(target, request, reason="RUN_NOT_FOUND")


@requirement("CAT-SES-008")
@needs_two_tenants
def test_a_foreign_run_cannot_be_watched(target: Target, workload: Workload, second_token: str) -> None:
    session_id, _ = _finished(target, workload)
    request = WatchTrainingRequest(session_id=session_id)
    rpcs.WATCH_TRAINING.refused(target, request, reason="SESSION_NOT_FOUND", token=second_token)
