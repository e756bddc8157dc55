"""Trainings on the server are runs: recorded as they go on, and steered by the same commands as any other."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from catenary.telemetry.v1 import telemetry_pb2
from catenary_client import Client, InvalidRequestError, PreconditionError
from catenary_client.local import local_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catenary_client import RunEvent, Session, TelemetryRun, TrainProgress

SMALL = ["data.synthetic.rows=48", "data.synthetic.cols=48"]
ENDLESS = "training.trainer.max_epochs=100000"


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server) as connected:
        yield connected


def trained(session: Session, *overrides: str) -> None:
    """Set a trainrun with gradients and fit its statistics."""
    session.set_trainrun(session.resolve("trainrun", "deep_svdd", [*SMALL, *overrides]))
    assert [event.status for event in session.train("statistical")][-1] == "COMPLETED"


def begun(events: Iterator[TrainProgress], step: int) -> str:
    """The id of a run that has come to a step."""
    return next(event.run_id for event in events if event.global_step >= step)


def recorded(client: Client, run_id: str) -> TelemetryRun:
    """The run once its record is complete; a record may end a moment after the run."""
    events = client.watch_run(run_id, snapshot_points=0)
    (*_, last) = events
    assert last.kind == "run_ended"
    assert last.run is not None
    return last.run


def test_a_run_is_recorded_under_its_own_id_with_what_it_said(client: Client) -> None:
    with client.session(labels={"team": "blue"}) as session:
        trained(session, "training.trainer.max_epochs=2")
        events = list(session.train("gradient"))
        run_id = events[0].run_id
        run = recorded(client, run_id)
        losses = {
            event.global_step: sum(event.losses.values()) for event in events if event.losses and event.stage == "TRAIN"
        }
    assert (run.status, run.client_name) == ("COMPLETED", "catenary-server")
    assert run.tags.items() >= {"team": "blue", "phase": "gradient", "trainrun": "deep_svdd"}.items()
    config = run.config
    assert (config.total_epochs, config.batch_size, config.optimizer_name) == (2, 8, "sgd")
    assert config.dataset_name == "synthetic"
    metrics = client.query_metrics(run_id, ["batch_loss", "average_loss", "validation_loss", "train/deep_svdd_loss"])
    assert dict(zip(metrics["batch_loss"].steps.tolist(), metrics["batch_loss"].minimums.tolist(), strict=True)) == (
        pytest.approx(losses, rel=1e-6)
    )
    assert metrics["average_loss"].sample_count == metrics["validation_loss"].sample_count == 2
    assert metrics["train/deep_svdd_loss"].sample_count == len(losses)
    assert [event.kind for event in client.run_history(run_id)].count("epoch_data") == 2


def test_both_phases_are_runs_that_are_found_by_their_tags(client: Client) -> None:
    with client.session() as session:
        trained(session, "training.trainer.max_epochs=1")
        list(session.train("gradient"))
        found = client.list_runs(tags={"session": session.session_id})
        assert [run.tags["phase"] for run in found] == ["gradient", "statistical"]
        assert {command.command for command in found[1].commands} == {
            "PAUSE_TRAINING",
            "RESUME_TRAINING",
            "STOP_TRAINING",
        }


def test_a_run_is_steered_and_the_outcomes_come_back_and_into_the_log(client: Client) -> None:
    with client.session() as session:
        trained(session, ENDLESS)
        events = session.train("gradient")
        run_id = begun(events, 3)
        paused = client.send_command(run_id, "pause")
        assert (paused.state, paused.old, paused.new) == ("APPLIED", "RUNNING", "PAUSED")
        assert next(event for event in events if event.status == "PAUSED").global_step == paused.applied_at_step
        rate = client.send_command(run_id, "learning_rate", 0.001, command_id="slower")
        assert (rate.old, rate.new, rate.applied_at_step) == (0.02, 0.001, paused.applied_at_step)
        assert client.send_command(run_id, "learning_rate", 0.001, command_id="slower") == rate
        size = client.send_command(run_id, "batch_size", 2)
        assert (size.old, size.new) == (8, 2)
        with pytest.raises(InvalidRequestError) as raised:
            client.send_command(run_id, "learning_rate", 50.0)
        assert raised.value.reason == "COMMAND_INVALID"
        assert client.send_command(run_id, "resume").new == "RUNNING"
        after = next(event for event in events if event.global_step > (paused.applied_at_step or 0) and event.losses)
        assert after.learning_rate == pytest.approx(0.001)
        stopped = client.send_command(run_id, "stop")
        assert (stopped.state, stopped.new) == ("APPLIED", "CANCELLED")
        assert list(events)[-1].status == "CANCELLED"
        assert recorded(client, run_id).status == "CANCELLED"
        with pytest.raises(PreconditionError):
            client.send_command(run_id, "pause")
    history = client.run_history(run_id)
    assert [event.kind for event in history].count("command_result") == 5
    assert statuses(history) == ["RUNNING", "PAUSED", "RUNNING", "CANCELLED"]


def statuses(history: list[RunEvent]) -> list[str]:
    """Statuses that followed each other."""
    said = (event.message for event in history if event.kind == "status_update")
    names = (str(update).split("TRAINING_STATUS_")[1].split("\n")[0] for update in said)
    return [name for name, _ in itertools.groupby(names)]


def test_the_batches_after_a_change_of_size_are_of_that_size(client: Client) -> None:
    with client.session() as session:
        trained(session, ENDLESS)
        events = session.train("gradient")
        run_id = begun(events, 2)
        watch = client.watch_run(run_id, snapshot_points=0)
        outcome = client.send_command(run_id, "batch_size", 3)
        assert outcome.applied
        batches = (event.message for event in watch)
        sizes = (each.batch_size for each in batches if isinstance(each, telemetry_pb2.BatchData))
        assert next(size for size in sizes if size != 8) == 3
        watch.close()
        client.send_command(run_id, "stop")
        list(events)


@pytest.mark.slow
def test_runs_that_go_on_end_with_the_server_and_are_there_in_the_next(tmp_path: Path) -> None:
    arguments = ["--artifacts", str(tmp_path / "artifacts")]
    with local_server(tmp_path / "log", arguments) as address, Client(address) as client:
        session = client.session()
        trained(session, ENDLESS)
        run_id = begun(session.train("gradient"), 3)
    alone = ["--only", "telemetry", "--telemetry", str(tmp_path / "telemetry")]
    with local_server(tmp_path / "log", alone) as address, Client(address) as client:
        run = client.get_run(run_id)
        assert (run.status, run.writer_state) == ("CANCELLED", "CLOSED")
        assert [each.run_id for each in client.list_runs(statuses=["CANCELLED"])] == [run_id]


def test_a_run_can_be_steered_from_its_first_event_on(client: Client) -> None:
    with client.session() as session:
        trained(session, ENDLESS)
        events = session.train("gradient")
        first = next(events)
        assert client.send_command(first.run_id, "stop").state == "APPLIED"
        assert [event.status for event in events][-1] == "CANCELLED"
