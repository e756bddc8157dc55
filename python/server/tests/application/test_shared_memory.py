from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from application import OWNER, Application, build_application, content
from fake_configs import TRAINRUN

from catenary_server.application.sessions import NewSession, SessionLimits
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.shared_memory import SharedTensor
from catenary_server.domain.tensor import DType, Tensor
from catenary_server.runtimes.segments import FileSegments

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator
    from pathlib import Path

    from catenary_server.application.session import Session
    from catenary_server.domain.shared_memory import Segment
    from catenary_server.runtimes.segments import FileSegment

CUBE = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)
LENGTH = 4096
LIMITS = SessionLimits(shared_memory=3 * LENGTH, shared_memory_of_session=2 * LENGTH)
WISH = NewSession(shared_bytes=LENGTH)


class HeldSegments(FileSegments):
    """Makes segments once it is let."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.let = threading.Event()
        self.let.set()

    def create(self, nbytes: int) -> FileSegment:
        assert self.let.wait(20)
        return super().create(nbytes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "segments"
    made.mkdir()
    return made


@pytest.fixture
def segments(folder: Path) -> Iterator[HeldSegments]:
    made = HeldSegments(folder)
    yield made
    made.close()


@pytest.fixture
async def app(tmp_path: Path, segments: HeldSegments) -> Application:
    return build_application(tmp_path, LIMITS, segments)


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def segment_of(session: Session) -> Segment:
    assert session.segment is not None
    return session.segment


def write(folder: Path, session: Session, data: bytes, offset: int = 0) -> None:
    with (folder / segment_of(session).name).open("r+b") as file:
        file.seek(offset)
        file.write(data)


def shared(session: Session, offset: int = 0, nbytes: int = CUBE.nbytes, **changes: object) -> SharedTensor:
    fields: dict[str, object] = {"dtype": DType.FLOAT32, "shape": CUBE.shape, "segment": segment_of(session).name}
    return SharedTensor(offset=offset, nbytes=nbytes, **(fields | changes))  # type: ignore[arg-type] # fields by their names


async def loaded(app: Application, wish: NewSession = WISH) -> Session:
    session = await app.sessions.open(OWNER, wish)
    await app.training.set_config(session, content(TRAINRUN))
    return session


async def refused(work: Awaitable[object]) -> Reason:
    with pytest.raises(Failure) as caught:
        await work
    return caught.value.reason


async def test_closing_a_session_ends_its_segment_and_frees_its_share(app: Application, folder: Path) -> None:
    first = await app.sessions.open(OWNER, NewSession(shared_bytes=2 * LENGTH))
    assert await refused(app.sessions.open(OWNER, NewSession(shared_bytes=LENGTH + 1))) is Reason.QUOTA_MEMORY
    second = await app.sessions.open(OWNER, WISH)
    assert names(folder) == {segment_of(first).name, segment_of(second).name}
    await app.sessions.close(OWNER, first.session_id)
    assert names(folder) == {segment_of(second).name}
    await app.sessions.open(OWNER, NewSession(shared_bytes=2 * LENGTH))
    await app.sessions.close_all()
    assert not names(folder)


async def test_an_expired_session_has_no_segment(app: Application, folder: Path) -> None:
    await app.sessions.open(OWNER, WISH)
    assert names(folder)
    app.clock.now += LIMITS.idle_timeout
    expiring = asyncio.create_task(app.sessions.expire_idle())
    async with asyncio.timeout(20):
        while app.sessions.count:  # noqa: ASYNC110 - nothing tells the end of a closing
            await asyncio.sleep(0)
    expiring.cancel()
    assert not names(folder)


async def test_a_segment_that_closes_while_it_is_read_ends_the_inference_with_that(
    app: Application, folder: Path
) -> None:
    session = await loaded(app)
    segment_of(session).close()
    assert await refused(app.inferences.infer(session, {"cube": shared(session)}, ())) is Reason.SESSION_CLOSING
    assert app.runtime.worker.reservations[-1].released


async def test_more_than_a_session_may_have_is_refused(app: Application) -> None:
    wish = NewSession(shared_bytes=2 * LENGTH + 1)
    assert await refused(app.sessions.open(OWNER, wish)) is Reason.FIELD_INVALID
    assert app.sessions.count == 0


async def test_a_server_without_segments_says_so(tmp_path: Path) -> None:
    app = build_application(tmp_path)
    assert app.sessions.offered_memory == 0
    assert await refused(app.sessions.open(OWNER, WISH)) is Reason.SHM_DISABLED


async def test_no_session_is_left_where_there_is_no_room(tmp_path: Path) -> None:
    segments = FileSegments()
    app = build_application(tmp_path, SessionLimits(shared_memory=1 << 50, shared_memory_of_session=1 << 50), segments)
    assert await refused(app.sessions.open(OWNER, NewSession(shared_bytes=1 << 50), "r")) is Reason.QUOTA_MEMORY
    assert app.sessions.count == 0
    segments.close()


async def test_a_retry_waits_for_the_same_segment(app: Application, segments: HeldSegments) -> None:
    segments.let.clear()
    first = asyncio.create_task(app.sessions.open(OWNER, WISH, "r"))
    await asyncio.sleep(0)
    first.cancel()
    second = asyncio.create_task(app.sessions.open(OWNER, WISH, "r"))
    await asyncio.sleep(0)
    segments.let.set()
    session = await second
    assert segment_of(session).nbytes == LENGTH
    assert app.sessions.count == 1


async def test_a_session_that_closes_while_its_segment_is_made_leaves_none(
    app: Application, segments: HeldSegments, folder: Path
) -> None:
    segments.let.clear()
    opening = asyncio.create_task(app.sessions.open(OWNER, WISH))
    await asyncio.sleep(0)
    (session,) = app.sessions.list(OWNER, {})
    assert session.segment is None
    closing = asyncio.create_task(app.sessions.close(OWNER, session.session_id))
    await asyncio.sleep(0)
    segments.let.set()
    await closing
    assert await refused(opening) is Reason.SESSION_CLOSING
    assert not names(folder)


async def test_the_worker_gets_the_bytes_of_the_segment_in_memory_of_its_own(app: Application, folder: Path) -> None:
    session = await loaded(app)
    write(folder, session, CUBE.tobytes(), 64)
    result = await app.inferences.infer(session, {"cube": shared(session, 64)}, ())
    np.testing.assert_array_equal(result.outputs["detector.scores"].array(), CUBE.mean(axis=-1, keepdims=True))
    write(folder, session, bytes(LENGTH))
    np.testing.assert_array_equal(app.runtime.worker.inputs["cube"].array(), CUBE)
    assert app.runtime.worker.reservations[-1].released


async def test_inputs_in_the_message_go_beside_those_in_shared_memory(app: Application, folder: Path) -> None:
    session = await loaded(app)
    write(folder, session, CUBE.tobytes())
    boxes = Tensor.of(np.arange(6.0).reshape(1, 6))
    await app.inferences.infer(session, {"cube": shared(session), "bboxes": boxes}, ())
    np.testing.assert_array_equal(app.runtime.worker.inputs["bboxes"].array(), boxes.array())


@pytest.mark.parametrize(
    ("offset", "nbytes"),
    [
        (LENGTH - CUBE.nbytes + 1, CUBE.nbytes),
        (LENGTH, CUBE.nbytes),
        (2**64 - 1, CUBE.nbytes),
        (2**64 - CUBE.nbytes, CUBE.nbytes),
        (0, LENGTH + 1),
        (1, 2**64 - 1),
    ],
)
async def test_a_range_beyond_the_segment_is_refused(app: Application, offset: int, nbytes: int) -> None:
    session = await loaded(app)
    inference = app.inferences.infer(session, {"cube": shared(session, offset, nbytes)}, ())
    assert await refused(inference) is Reason.SHM_RANGE
    assert app.runtime.worker.taken == 0


async def test_the_last_byte_of_a_segment_can_be_used(app: Application, folder: Path) -> None:
    session = await loaded(app)
    write(folder, session, CUBE.tobytes(), LENGTH - CUBE.nbytes)
    await app.inferences.infer(session, {"cube": shared(session, LENGTH - CUBE.nbytes)}, ())
    np.testing.assert_array_equal(app.runtime.worker.inputs["cube"].array(), CUBE)


async def test_no_name_but_that_of_the_sessions_own_segment_is_taken(app: Application) -> None:
    session, other = await loaded(app), await app.sessions.open(OWNER, WISH)
    own = segment_of(session).name
    for name in (segment_of(other).name, "catenary-unknown", own[:-1], f"/{own}", f"../shm/{own}", "", "\u00e4"):
        with pytest.raises(Failure) as caught:
            await app.inferences.infer(session, {"cube": shared(session, segment=name)}, ())
        assert caught.value.reason is Reason.SHM_NOT_OWNER
        assert not name or name not in caught.value.message
    without = await loaded(app, NewSession())
    assert await refused(app.inferences.infer(without, {"cube": shared(session)}, ())) is Reason.SHM_NOT_OWNER


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"nbytes": CUBE.nbytes - 4}, Reason.TENSOR_SIZE_MISMATCH),
        ({"nbytes": 0}, Reason.TENSOR_SIZE_MISMATCH),
        ({"dtype": DType.FLOAT64}, Reason.TENSOR_SIZE_MISMATCH),
        ({"shape": (1, 120)}, Reason.TENSOR_SHAPE),
        ({"shape": (2**62, 2**62, 4, 4)}, Reason.TENSOR_SIZE_MISMATCH),
    ],
)
async def test_a_range_that_is_not_the_tensor_is_refused(
    app: Application, changes: dict[str, object], reason: Reason
) -> None:
    session = await loaded(app)
    inference = app.inferences.infer(session, {"cube": shared(session, **changes)}, ())  # type: ignore[arg-type] # fields by their names
    assert await refused(inference) is reason
    assert app.runtime.worker.taken == 0


async def test_a_segment_that_its_client_cuts_short_fails_the_inference_alone(app: Application, folder: Path) -> None:
    session = await loaded(app)
    os.truncate(folder / segment_of(session).name, 10)
    assert await refused(app.inferences.infer(session, {"cube": shared(session)}, ())) is Reason.SHM_RANGE
    assert app.runtime.worker.reservations[-1].released
    await app.inferences.infer(session, {"cube": Tensor.of(CUBE)}, ())
