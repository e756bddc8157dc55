"""Sessions of a real server: what they cost, how they end, and what the end of a worker does to them."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from catenary.v1.session_pb2 import SessionState
from catenary_client import NO_RETRY, Client, SessionNotFoundError
from catenary_client.errors import CatenaryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_client import Session

CUBE = np.random.default_rng(3).random((1, 8, 8, 96), dtype=np.float32)
SMALL = ["data.synthetic.rows=32", "data.synthetic.cols=32"]
IDLE_SESSIONS = 500
MOST_BYTES_OF_A_SESSION = 64 * 1024


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server, retry=NO_RETRY) as connected:
        yield connected


@pytest.fixture
def front_end(server: str) -> psutil.Process:
    """The process that answers at the server's address."""
    port = int(server.rpartition(":")[2])
    children = psutil.Process().children()
    return next(each for each in children if port in {line.laddr.port for line in each.net_connections("tcp")})


def fitted(session: Session) -> Session:
    session.set_trainrun(session.resolve("trainrun", "rx", SMALL))
    list(session.train("statistical"))
    return session


def descendants(process: psutil.Process) -> set[int]:
    return {each.pid for each in process.children(recursive=True)}


def open_ids(client: Client) -> set[str]:
    """Sessions of the server; asking extends none of them."""
    return {session.session_id for session in client.sessions()}


def test_the_end_of_a_worker_is_the_end_of_no_other_session(client: Client, front_end: psutil.Process) -> None:
    with client.session() as bystander, client.session() as session:
        before = fitted(bystander).infer(cube=CUBE)["rx.scores"]
        others = descendants(front_end)
        fitted(session)
        (worker,) = descendants(front_end) - others
        os.kill(worker, signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(CatenaryError, match="SIGKILL") as caught:
                session.infer(cube=CUBE)
            assert caught.value.reason == "WORKER_CRASHED"
        found = session.get()
        assert found.state == SessionState.SESSION_STATE_FAILED
        assert "load a pipeline again, or close the session" in found.failure.message
        np.testing.assert_array_equal(bystander.infer(cube=CUBE)["rx.scores"], before)
        fitted(session)
        assert session.get().state == SessionState.SESSION_STATE_READY
        np.testing.assert_array_equal(session.infer(cube=CUBE)["rx.scores"], before)


def test_a_session_that_lost_its_worker_can_be_closed(client: Client, front_end: psutil.Process) -> None:
    session = client.session()
    others = descendants(front_end)
    fitted(session)
    (worker,) = descendants(front_end) - others
    os.kill(worker, signal.SIGKILL)
    session.close()
    with pytest.raises(SessionNotFoundError):
        session.get()


def test_a_session_without_use_expires_and_one_with_a_run_does_not(client: Client) -> None:
    busy = client.session(idle_timeout=1)
    endless = [*SMALL, "training.trainer.max_epochs=100000"]
    busy.set_trainrun(busy.resolve("trainrun", "deep_svdd", endless))
    list(busy.train("statistical"))
    next(iter(busy.train("gradient")))
    idle = client.session(idle_timeout=1)
    deadline = time.monotonic() + 30
    while idle.session_id in open_ids(client):
        assert time.monotonic() < deadline
    with pytest.raises(SessionNotFoundError, match="expired"):
        idle.get()
    idle.close()
    assert busy.get().state == SessionState.SESSION_STATE_TRAINING
    busy.close()


def test_hundreds_of_idle_sessions_cost_little(client: Client, front_end: psutil.Process) -> None:
    processes = descendants(front_end)
    before = front_end.memory_info().rss
    sessions = [client.session() for _ in range(IDLE_SESSIONS)]
    cost = front_end.memory_info().rss - before
    assert {session.session_id for session in sessions} <= open_ids(client)
    assert descendants(front_end) <= processes
    for session in sessions:
        session.close()
    assert cost <= IDLE_SESSIONS * MOST_BYTES_OF_A_SESSION
