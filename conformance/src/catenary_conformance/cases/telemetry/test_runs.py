"""Runs as they are listed, told, and deleted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from catenary.telemetry.v1 import run_pb2, training_pb2
from catenary.telemetry.v1.run_request_pb2 import DeleteRunRequest, GetRunRequest, ListRunsRequest
from catenary.telemetry.v1.telemetry_pb2 import StatusUpdate
from catenary_conformance import rpcs
from catenary_conformance.pages import walk
from catenary_conformance.requirement import needs_two_tenants, requirement, slow
from catenary_conformance.trainer import CANCELLED, COMPLETED, RUNNING, Trainer, batch
from catenary_conformance.watching import events, run_of, watch, watched

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catenary_conformance.target import Target

_RUNS = 5
_POLL_SECONDS = 0.05


def _ended(target: Target, label: str, status: StatusUpdate = CANCELLED, **tags: str) -> str:
    with Trainer.register(target, tags={"case": label, **tags}) as trainer:
        trainer.say(status_update=RUNNING)
        trainer.say(status_update=status)
        trainer.half_close().expect_ok()
        return trainer.run_id


def _of(listed: Iterable[run_pb2.Run], label: str) -> list[str]:
    """The runs of a case: whether others are listed too, the case of tags decides."""
    return [each.run_id for each in listed if each.tags.get("case") == label]


@requirement("CAT-TEL-022")
def test_the_pages_hold_every_run_once_newest_first(target: Target) -> None:
    label = target.unique("pages")
    made = [_ended(target, label) for _ in range(_RUNS)]
    for page_size in (1, 2, _RUNS, _RUNS + 1):
        listed = walk(target, rpcs.LIST_RUNS, "runs", page_size=page_size, tags={"case": label})
        assert _of(listed, label) == made[::-1], f"with pages of {page_size}"


@requirement("CAT-TEL-022")
def test_a_run_deleted_between_two_pages_costs_no_other_its_place(target: Target) -> None:
    label = target.unique("edge")
    made = [_ended(target, label) for _ in range(_RUNS)][::-1]
    page = rpcs.LIST_RUNS.ok(target, ListRunsRequest(page_size=2, tags={"case": label}))
    rpcs.DELETE_RUN.ok(target, DeleteRunRequest(run_id=made[0]))
    found = _of(page.runs, label)
    while page.next_page_token:
        request = ListRunsRequest(page_size=2, tags={"case": label}, page_token=page.next_page_token)
        page = rpcs.LIST_RUNS.ok(target, request)
        found += _of(page.runs, label)
    assert found == made


@requirement("CAT-TEL-023")
def test_only_runs_with_an_asked_status_are_listed(target: Target) -> None:
    label = target.unique("status")
    cancelled, completed = _ended(target, label), _ended(target, label, COMPLETED)
    with Trainer.register(target, tags={"case": label}) as trainer:
        wanted = {
            training_pb2.TRAINING_STATUS_CANCELLED: [cancelled],
            training_pb2.TRAINING_STATUS_COMPLETED: [completed],
            training_pb2.TRAINING_STATUS_INITIALIZING: [trainer.run_id],
            training_pb2.TRAINING_STATUS_FAILED: [],
        }
        for status, runs in wanted.items():
            listed = rpcs.LIST_RUNS.ok(target, ListRunsRequest(statuses=[status], tags={"case": label})).runs
            assert _of(listed, label) == runs


@requirement("CAT-TEL-043")
def test_only_runs_with_all_of_the_asked_tags_are_listed(target: Target) -> None:
    label = target.unique("tags")
    both = _ended(target, label, colour="red", shape="round")
    _ended(target, label, colour="red")
    _ended(target, label, colour="blue", shape="round")
    wanted = {"case": label, "colour": "red", "shape": "round"}
    listed = rpcs.LIST_RUNS.ok(target, ListRunsRequest(tags=wanted)).runs
    assert [(each.run_id, dict(each.tags)) for each in listed] == [(both, wanted)]


@requirement("CAT-TEL-024", "CAT-TEL-025")
@needs_two_tenants
def test_a_run_of_another_principal_is_neither_listed_nor_found(target: Target, second_token: str) -> None:
    label = target.unique("tenants")
    mine = _ended(target, label)
    listed = rpcs.LIST_RUNS.ok(target, ListRunsRequest(tags={"case": label}), token=second_token).runs
    assert not _of(listed, label)
    rpcs.GET_RUN.refused(target, GetRunRequest(run_id=mine), reason="RUN_NOT_FOUND", token=second_token)
    rpcs.DELETE_RUN.refused(target, DeleteRunRequest(run_id=mine), reason="RUN_NOT_FOUND", token=second_token)
    assert run_of(target, mine).run_id == mine


@requirement("CAT-TEL-025", "CAT-TEL-041")
def test_an_unknown_and_a_deleted_run_are_not_found(target: Target) -> None:
    deleted = _ended(target, target.unique("deleted"))
    rpcs.DELETE_RUN.ok(target, DeleteRunRequest(run_id=deleted))
    answers = [
        rpcs.GET_RUN.refused(target, GetRunRequest(run_id=each), reason="RUN_NOT_FOUND")
        for each in (deleted, target.unique("never"))
    ]
    assert answers[0].code is answers[1].code
    rpcs.DELETE_RUN.refused(target, DeleteRunRequest(run_id=deleted), reason="RUN_NOT_FOUND")


@requirement("CAT-TEL-026")
def test_the_status_is_what_the_training_said_last(target: Target) -> None:
    with Trainer.register(target) as trainer:
        assert run_of(target, trainer.run_id).status == training_pb2.TRAINING_STATUS_INITIALIZING
        for status in (
            training_pb2.TRAINING_STATUS_RUNNING,
            training_pb2.TRAINING_STATUS_PAUSED,
            training_pb2.TRAINING_STATUS_RUNNING,
            training_pb2.TRAINING_STATUS_FAILED,
        ):
            trainer.say(status_update=StatusUpdate(status=status, message="because"))
            trainer.until_durable()
            assert run_of(target, trainer.run_id).status == status
        assert run_of(target, trainer.run_id).failure.message == "because"


@requirement("CAT-TEL-026")
def test_a_run_that_is_registered_again_after_its_end_starts_at_initializing(target: Target) -> None:
    ended = _ended(target, target.unique("again"), COMPLETED)
    with Trainer.register(target, session_id=ended):
        assert run_of(target, ended).status == training_pb2.TRAINING_STATUS_INITIALIZING


@requirement("CAT-TEL-044")
@slow
def test_a_writer_that_says_nothing_for_three_heartbeats_is_silent(target: Target) -> None:
    with Trainer.register(target) as trainer:
        trainer.say(batch_data=batch(1))
        trainer.until_durable()
        assert run_of(target, trainer.run_id).writer_state == run_pb2.WRITER_STATE_LIVE
        _fall_silent(target, trainer)


def _fall_silent(target: Target, trainer: Trainer) -> None:
    """Leave a run, and wait until the target says that its writer is silent."""
    interval = trainer.registration.server_config.heartbeat_interval_ms / 1000
    trainer.leave()
    deadline = time.monotonic() + 3 * interval + target.seconds(3.0)
    while run_of(target, trainer.run_id).writer_state != run_pb2.WRITER_STATE_SILENT:
        assert time.monotonic() < deadline, "the writer still counts as live"
        time.sleep(_POLL_SECONDS)


@requirement("CAT-TEL-041")
@slow
def test_who_watches_a_run_while_it_is_deleted_is_told_so(target: Target) -> None:
    with Trainer.register(target) as trainer:
        trainer.say(batch_data=batch(1))
        trainer.until_durable()
        with watch(target, trainer.run_id) as viewer:
            assert viewer.receive().HasField("snapshot")
            _fall_silent(target, trainer)
            rpcs.DELETE_RUN.ok(target, DeleteRunRequest(run_id=trainer.run_id))
            rpcs.expect_reason(viewer.end(), "STREAM_SUPERSEDED")


@requirement("CAT-TEL-042")
def test_a_run_that_is_written_is_not_deleted(target: Target) -> None:
    with Trainer.register(target) as trainer:
        trainer.say(batch_data=batch(1))
        trainer.until_durable()
        rpcs.DELETE_RUN.refused(target, DeleteRunRequest(run_id=trainer.run_id), reason="STATE_INVALID")
        trainer.say(batch_data=batch(2))
        trainer.until_durable()
        assert run_of(target, trainer.run_id).metric_names


@requirement("CAT-TEL-041")
def test_the_id_of_a_deleted_run_is_free_and_its_log_empty(target: Target) -> None:
    label = target.unique("freed")
    with Trainer.register(target, tags={"case": label}) as trainer:
        for index in range(5):
            trainer.say(batch_data=batch(index))
        trainer.finish()
    rpcs.DELETE_RUN.ok(target, DeleteRunRequest(run_id=trainer.run_id))
    assert not _of(rpcs.LIST_RUNS.ok(target, ListRunsRequest(tags={"case": label})).runs, label)
    with Trainer.register(target, session_id=trainer.run_id) as again:
        assert again.registration.resume_from_sequence == 1
        again.say(status_update=CANCELLED)
        again.half_close().expect_ok()
        assert "batch_loss" not in run_of(target, again.run_id).metric_names
        assert events(watched(target, again.run_id, after_sequence=0)).count("record") == 1


@requirement("CAT-TEL-041")
def test_the_watch_of_a_run_that_is_deleted_ends(target: Target) -> None:
    with Trainer.register(target) as trainer:
        trainer.finish()
    with watch(target, trainer.run_id) as viewer:
        viewer.end().expect_ok()
    rpcs.DELETE_RUN.ok(target, DeleteRunRequest(run_id=trainer.run_id))
    with watch(target, trainer.run_id) as late:
        rpcs.expect_reason(late.end(), "RUN_NOT_FOUND")
