from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from scripted_server import LOST, cancelled_run, complete_run, event, failed_run

from catenary.v1.training_pb2 import TRAINER_TYPE_GRADIENT
from catenary.v1.training_requests_pb2 import ON_DISCONNECT_CANCEL
from catenary_client import NO_RETRY, Client, ConnectionFailedError, PreconditionError, RunFailedError

if TYPE_CHECKING:
    from scripted_server import ScriptedServer


def test_every_event_comes_once_and_the_last_is_final(client: Client, server: ScriptedServer) -> None:
    events = list(client.attach("s").train("gradient", data={"a": 1}, cancel_on_disconnect=True))
    assert [one.sequence for one in events] == [1, 2, 3, 4]
    assert [one.final for one in events] == [False, False, False, True]
    assert events[1].losses == {"svdd_loss": 0.5}
    assert (events[1].epochs_done, events[1].epochs_total, events[1].run_id) == (2, 4, "run-1")
    (request,) = server.requests["Train"]
    assert request.trainer_type == TRAINER_TYPE_GRADIENT
    assert request.data.config_bytes == b'{"a":1}'
    assert request.on_disconnect == ON_DISCONNECT_CANCEL
    assert request.request_id


@pytest.mark.parametrize("lost_after", [1, 2, 3])
def test_a_lost_stream_is_taken_up_where_it_broke_off(client: Client, server: ScriptedServer, lost_after: int) -> None:
    server.lose_train_after = lost_after
    events = list(client.attach("s").train("gradient"))
    assert [one.sequence for one in events] == [1, 2, 3, 4]
    (watched,) = server.requests["WatchTraining"]
    assert (watched.after_sequence, watched.run_id) == (lost_after, "run-1")


def test_a_run_that_had_no_event_yet_is_asked_for_again_under_the_same_id(
    client: Client, server: ScriptedServer
) -> None:
    server.fail_next("Train", LOST)
    assert len(list(client.attach("s").train("gradient"))) == 4
    first, second = server.requests["Train"]
    assert first.request_id == second.request_id


def test_with_retries_off_a_lost_stream_is_an_error(server: ScriptedServer) -> None:
    server.lose_train_after = 2
    with Client(server.address, retry=NO_RETRY) as client:
        events = client.attach("s").train("gradient")
        assert [one.sequence for one in itertools.islice(events, 2)] == [1, 2]
        with pytest.raises(ConnectionFailedError):
            next(events)


def test_a_stream_that_ends_too_early_counts_as_lost(client: Client, server: ScriptedServer) -> None:
    server.run = complete_run()[:2]
    events = client.attach("s").train("gradient")
    assert [next(events).sequence, next(events).sequence] == [1, 2]
    with pytest.raises(ConnectionFailedError, match="ended before the run did"):
        next(events)


def test_a_run_that_could_not_start_is_a_refusal(client: Client, server: ScriptedServer) -> None:
    server.fail_next("Train", "STATE_INVALID")
    with pytest.raises(PreconditionError):
        list(client.attach("s").train("statistical"))
    assert len(server.requests["Train"]) == 1


def test_a_run_that_broke_off_raises_after_its_last_event(client: Client, server: ScriptedServer) -> None:
    server.run = failed_run()
    events = client.attach("s").train("gradient")
    assert [next(events).status, next(events).status] == ["IN_PROGRESS", "FAILED"]
    with pytest.raises(RunFailedError, match="lower the learning rate") as caught:
        next(events)
    assert caught.value.reason == "NON_FINITE_LOSS"
    assert "WatchTraining" not in server.names()


def test_a_stopped_run_ends_like_any_other(client: Client, server: ScriptedServer) -> None:
    server.run = cancelled_run()
    last = list(client.attach("s").train("gradient"))[-1]
    assert last.status == "CANCELLED"
    assert last.failure is not None
    assert last.failure.reason == "TRAIN_CANCELLED"


def test_leaving_early_stops_nothing(client: Client, server: ScriptedServer) -> None:
    events = client.attach("s").train("gradient")
    next(events)
    events.close()
    assert "StopTrain" not in server.names()


def test_a_run_that_is_there_is_watched_from_any_event(client: Client, server: ScriptedServer) -> None:
    assert [one.sequence for one in client.attach("s").watch(after_sequence=2)] == [3, 4]
    assert [one.sequence for one in client.attach("s").watch()] == [1, 2, 3, 4]
    assert [one.sequence for one in client.attach("s").watch(after_sequence=4)] == [4]


def test_the_status_of_a_run_is_its_last_event(client: Client, server: ScriptedServer) -> None:
    latest = client.attach("s").train_status()
    assert latest is not None
    assert latest.status == "COMPLETED"
    server.run = []
    assert client.attach("s").train_status() is None


def test_an_evaluation_gives_metrics(client: Client) -> None:
    last = list(client.attach("s").evaluate("validate"))[-1]
    assert (last.stage, last.status, last.metrics) == ("VALIDATE", "COMPLETED", {"val_iou": 0.75})


def test_stopping_says_whether_something_ran(client: Client) -> None:
    assert client.attach("s").stop() is True


def test_an_event_is_one_line(server: ScriptedServer, client: Client) -> None:
    server.run = [
        event(1, losses={"b_loss": 0.45231, "a_loss": 12.34567}, metrics={"iou": 1e-7}, message="go"),
        *complete_run()[3:],
    ]
    line = str(next(client.attach("s").train("gradient")))
    assert line == (
        "[TRAIN] IN_PROGRESS | losses={'a_loss': 12.3457, 'b_loss': 0.4523} | metrics={'iou': 1e-07} | message=go"
    )
