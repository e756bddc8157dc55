from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import pytest
from application import OWNER, Application, Clock, build_application
from fake_configs import FakeConfigs

from catenary_server.application.runs import TrainRequest
from catenary_server.application.sessions import NewSession, SessionLimits, Sessions
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.session import SessionState
from catenary_server.domain.training import Phase
from catenary_server.storage.local import LocalStorage

if TYPE_CHECKING:
    from pathlib import Path


def reason_of(caught: pytest.ExceptionInfo[Failure]) -> Reason:
    return caught.value.reason


def test_ids_are_long_and_never_repeat(app: Application) -> None:
    ids = {app.session().session_id for _ in range(100)}
    assert len(ids) == 100
    assert min(len(each) for each in ids) * 6 >= 128


def test_a_session_is_found_by_its_owner_only(app: Application) -> None:
    session = app.session("one")
    assert app.sessions.find("one", session.session_id) is session
    for principal, session_id in (("two", session.session_id), ("one", "unknown")):
        with pytest.raises(Failure) as caught:
            app.sessions.find(principal, session_id)
        assert reason_of(caught) is Reason.SESSION_NOT_FOUND


def test_a_request_id_belongs_to_its_principal_and_its_wish(app: Application) -> None:
    wish = NewSession(labels={"a": "b"})
    session = app.sessions.create("one", wish, "r")
    assert app.sessions.create("one", wish, "r") is session
    assert app.sessions.create("two", wish, "r") is not session
    with pytest.raises(Failure) as caught:
        app.sessions.create("one", NewSession(), "r")
    assert reason_of(caught) is Reason.IDEMPOTENCY_CONFLICT


async def test_a_request_id_whose_session_is_closed_makes_a_new_one(app: Application) -> None:
    first = app.sessions.create(OWNER, NewSession(), "r")
    await app.sessions.close(OWNER, first.session_id)
    assert app.sessions.create(OWNER, NewSession(), "r") is not first


@pytest.mark.parametrize("timeout", [0.5, 1e9])
def test_an_idle_timeout_out_of_bounds_is_refused(app: Application, timeout: float) -> None:
    with pytest.raises(Failure) as caught:
        app.sessions.create(OWNER, NewSession(idle_timeout=timeout))
    assert reason_of(caught) is Reason.FIELD_INVALID
    assert caught.value.violations[0].subject == "idle_timeout"


async def test_limits_hold_for_each_principal_and_for_the_server(tmp_path: Path) -> None:
    app = build_application(tmp_path, SessionLimits(per_principal=2, per_server=3))
    first = app.session("one")
    app.session("one")
    for principal in ("one", "two", "three"):
        if principal == "two":
            app.session("two")
        with pytest.raises(Failure) as caught:
            app.session(principal)
        assert reason_of(caught) is Reason.QUOTA_SESSIONS
        assert caught.value.retry_after is not None
    await app.sessions.close("one", first.session_id)
    assert app.session("one").principal == "one"
    use = app.sessions.use("one")
    assert (use.server, use.principal) == (3, 2)


def test_sessions_are_listed_by_owner_and_labels(app: Application) -> None:
    red = app.sessions.create("one", NewSession(labels={"team": "red", "n": "1"}))
    blue = app.sessions.create("one", NewSession(labels={"team": "blue"}))
    app.session("two")
    assert app.sessions.list("one", {}) == (red, blue)
    assert app.sessions.list("one", {"team": "red"}) == (red,)
    assert app.sessions.list("one", {"team": "red", "n": "2"}) == ()


@pytest.fixture
def gpus(tmp_path: Path) -> Sessions:
    return Sessions(
        configs=FakeConfigs(tmp_path),
        storage=LocalStorage(tmp_path),
        limits=SessionLimits(),
        devices=["cuda:0", "cuda:1", "cpu"],
        clock=Clock(),
    )


@pytest.mark.parametrize(
    ("wish", "devices"),
    [
        ("", ["cuda:0", "cuda:1", "cuda:0"]),
        ("auto", ["cuda:0", "cuda:1", "cuda:0"]),
        ("cuda", ["cuda:0", "cuda:1", "cuda:0"]),
        ("cuda:1", ["cuda:1"] * 3),
        ("cpu", ["cpu"] * 3),
    ],
)
def test_a_wish_for_a_device_is_met_by_the_one_with_the_fewest_sessions(
    gpus: Sessions, wish: str, devices: list[str]
) -> None:
    assert [gpus.create(OWNER, NewSession(device=wish)).device for _ in devices] == devices


@pytest.mark.parametrize("wish", ["cuda:2", "mps", "cuda:", ":"])
def test_a_device_that_is_not_there_is_refused(gpus: Sessions, wish: str) -> None:
    with pytest.raises(Failure) as caught:
        gpus.create(OWNER, NewSession(device=wish))
    assert reason_of(caught) is Reason.DEVICE_INVALID


async def test_closing_again_succeeds_for_an_hour(app: Application) -> None:
    session = app.session()
    await app.sessions.close(OWNER, session.session_id)
    await app.sessions.close(OWNER, session.session_id)
    with pytest.raises(Failure) as caught:
        await app.sessions.close("other", session.session_id)
    assert reason_of(caught) is Reason.SESSION_NOT_FOUND
    assert app.sessions.count == 0


async def test_closing_ends_the_worker(app: Application) -> None:
    session = await app.loaded()
    await app.sessions.close_all()
    assert app.runtime.worker.closed
    assert session.state is SessionState.CLOSING
    assert app.sessions.open_sessions() == ()


async def test_closing_twice_at_once_closes_once(app: Application) -> None:
    session = await app.loaded()
    await asyncio.gather(*(app.sessions.close(OWNER, session.session_id) for _ in range(2)))
    assert app.sessions.count == 0


async def test_closing_a_session_whose_worker_is_gone_succeeds(app: Application) -> None:
    session = await app.loaded()
    app.runtime.held = True
    following = asyncio.create_task(_first_of_training(app, session.session_id))
    app.runtime.worker.proceed()
    await following
    app.runtime.worker.closed = True  # gone, and nobody has told yet
    app.runtime.worker._turns.put_nowait(Failure(Reason.WORKER_CRASHED, "gone"))
    await app.sessions.close(OWNER, session.session_id)


async def _first_of_training(app: Application, session_id: str) -> None:
    session = app.sessions.find(OWNER, session_id)
    events = app.training.train(session, TrainRequest(phase=Phase.STATISTICAL))
    await anext(events)
    await events.aclose()


class Expiry:
    """Runs the expiry of sessions and tells when it has looked at all of them."""

    def __init__(self, app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looked = asyncio.Event()
        self.pauses: list[float | None] = []
        self._app = app
        real = asyncio.wait_for

        async def wait_for(waiting: object, timeout: float | None) -> object:  # noqa: ASYNC109 - as asyncio has it
            self.pauses.append(timeout)
            self.looked.set()
            return await real(waiting, None)  # type: ignore[arg-type] # handed through

        monkeypatch.setattr(asyncio, "wait_for", wait_for)
        self.task = asyncio.create_task(app.sessions.expire_idle())

    async def again(self) -> None:
        """Let it look once more."""
        self.looked.clear()
        self._app.sessions._changed.set()
        await self.looked.wait()


@pytest.fixture
async def expiry(app: Application, monkeypatch: pytest.MonkeyPatch) -> Expiry:
    expiry = Expiry(app, monkeypatch)
    await expiry.looked.wait()
    return expiry


async def test_an_idle_session_expires_and_its_use_puts_that_off(app: Application, expiry: Expiry) -> None:
    assert expiry.pauses[-1] is None
    used, idle = app.session(), app.session()
    app.clock.now += 3000
    app.sessions.find(OWNER, used.session_id)
    await expiry.again()
    assert app.sessions.count == 2
    assert expiry.pauses[-1] == pytest.approx(600)
    app.clock.now += 601
    await expiry.again()
    assert app.sessions.open_sessions() == (used,)
    with pytest.raises(Failure, match="not found"):
        app.sessions.find(OWNER, idle.session_id)
    expiry.task.cancel()


async def test_a_run_holds_its_session_open(app: Application, expiry: Expiry) -> None:
    session = await app.loaded()
    app.runtime.held = True
    app.runtime.worker.proceed()
    await _first_of_training(app, session.session_id)
    assert app.sessions.expire_time(session) is None
    app.clock.now += 10_000
    await expiry.again()
    assert app.sessions.count == 1
    app.runtime.worker.proceed(4)
    assert session.run is not None
    await session.run.ended()
    expires = app.sessions.expire_time(session)
    assert expires is not None
    assert math.isfinite(expires)
    app.clock.now += 3601
    await expiry.again()
    assert app.sessions.count == 0
    expiry.task.cancel()


async def test_closed_ids_and_request_ids_are_forgotten_after_an_hour(app: Application, expiry: Expiry) -> None:
    session = app.sessions.create(OWNER, NewSession(), "r")
    await app.sessions.close(OWNER, session.session_id)
    app.clock.now += 3599
    await expiry.again()
    await app.sessions.close(OWNER, session.session_id)
    app.clock.now += 2
    await expiry.again()
    with pytest.raises(Failure, match="not found"):
        await app.sessions.close(OWNER, session.session_id)
    assert app.sessions._requests == {}
    expiry.task.cancel()
