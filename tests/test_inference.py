"""Inference in its three forms against a real server: one message, a stream of items, pieces."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

from catenary_client import (
    NO_RETRY,
    AsyncClient,
    BusyError,
    Client,
    DeadlineError,
    InferenceOutputs,
    LimitExceededError,
    PreconditionError,
    Session,
    SessionNotFoundError,
    TensorError,
)
from catenary_client import inference as client_inference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

PIPELINE = {"nodes": [{"name": "unit", "class_name": "PixelUnitNormalizer"}]}
CUBE = np.random.default_rng(5).random((1, 64, 64, 61), np.float32)
LARGE = np.random.default_rng(6).random((1, 600, 500, 33), np.float32)


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server, timeout=100.0) as connected:
        yield connected


@pytest.fixture
def session(client: Client) -> Iterator[Session]:
    with client.session() as opened:
        opened.load_pipeline(PIPELINE)
        yield opened


def unit(cube: NDArray[np.float32]) -> NDArray[np.float32]:
    norm: NDArray[np.float32] = np.linalg.norm(cube, axis=-1, keepdims=True)
    return cube / norm


def test_pieces_and_one_message_give_the_same_to_the_last_bit(session: Session) -> None:
    assert LARGE.nbytes >= client_inference.CHUNKED_FROM_BYTES
    whole = session.infer(data=LARGE[:, :300])
    cut = session.infer_chunked(data=LARGE[:, :300])
    np.testing.assert_allclose(whole["unit.normalized"], unit(LARGE[:, :300]), rtol=1e-5)
    assert whole["unit.normalized"].tobytes() == cut["unit.normalized"].tobytes()
    assert not cut["unit.normalized"].flags.writeable


def test_large_inputs_go_in_pieces_by_themselves(session: Session) -> None:
    np.testing.assert_allclose(session.infer(data=LARGE)["unit.normalized"], unit(LARGE), rtol=1e-5)


def test_views_that_are_not_contiguous_are_sent_as_they_look(session: Session) -> None:
    turned = LARGE.transpose(0, 2, 1, 3)[..., ::2]
    found = session.infer_chunked(data=turned)["unit.normalized"]
    np.testing.assert_allclose(found, unit(turned), rtol=1e-5)


def test_a_stream_is_answered_in_order_and_bad_items_in_their_place(session: Session) -> None:
    def items() -> Iterator[dict[str, NDArray[np.float32]]]:
        for index in range(40):
            yield {"nowhere": CUBE} if index % 10 == 3 else {"data": CUBE + index}

    answers = list(session.infer_stream(items()))
    assert [each.number for each in answers] == list(range(40))
    for each in answers:
        if each.number % 10 == 3:
            with pytest.raises(TensorError, match="INPUT_NAME_UNKNOWN"):
                each.outputs()
        else:
            expected = session.infer(data=CUBE + each.number)["unit.normalized"]
            assert each.outputs()["unit.normalized"].tobytes() == expected.tobytes()


def test_a_stream_that_is_left_early_takes_no_more_items(session: Session) -> None:
    taken = []

    def items() -> Iterator[dict[str, NDArray[np.float32]]]:
        for index in range(100_000):
            taken.append(index)
            yield {"data": CUBE}

    answers = session.infer_stream(items())
    assert isinstance(next(answers).outcome, InferenceOutputs)
    answers.close()
    assert len(taken) < 1000
    assert isinstance(session.infer(data=CUBE), InferenceOutputs)


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"data": LARGE[0]}, "TENSOR_SHAPE"),
        ({"data": LARGE.astype(np.float64)}, "TENSOR_DTYPE"),
        ({"data": LARGE, "more": CUBE}, "INPUT_NAME_UNKNOWN"),
    ],
)
def test_a_refusal_reaches_a_client_that_is_still_sending(
    session: Session, inputs: dict[str, NDArray[np.float32]], reason: str
) -> None:
    for _ in range(3):
        with pytest.raises(TensorError) as caught:
            session.infer_chunked(inputs)
        assert caught.value.reason == reason


def test_sessions_that_are_not_there_are_told_apart(client: Client) -> None:
    with pytest.raises(SessionNotFoundError):
        client.attach("A" * 32).infer_chunked(data=LARGE)
    with client.session() as empty:
        with pytest.raises(PreconditionError, match="STATE_INVALID"):
            empty.infer_chunked(data=CUBE)
        with pytest.raises(PreconditionError, match="STATE_INVALID"):
            list(empty.infer_stream([{"data": CUBE}]))


def test_a_deadline_ends_a_request_in_pieces_and_the_session_stays_usable(session: Session) -> None:
    with pytest.raises(DeadlineError):
        session.infer_chunked(data=LARGE, timeout=0.002)
    assert isinstance(session.infer(data=CUBE), InferenceOutputs)


async def test_cancelled_requests_leave_a_usable_session(server: str) -> None:
    async with AsyncClient(server) as client, await client.create_session() as session:
        await session.load_pipeline(PIPELINE)
        for turns in (1, 10, 100, 1000):
            request = asyncio.create_task(session.infer_chunked(data=LARGE))
            for _ in range(turns):
                await asyncio.sleep(0)
            request.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await request
        found = (await session.infer(data=CUBE))["unit.normalized"]
        np.testing.assert_allclose(found, unit(CUBE), rtol=1e-5)


async def test_closing_the_session_ends_its_streams(server: str) -> None:
    async with AsyncClient(server) as client:
        session = await client.create_session()
        await session.load_pipeline(PIPELINE)
        answered = asyncio.Event()

        async def items() -> AsyncIterator[dict[str, NDArray[np.float32]]]:
            yield {"data": CUBE}
            await asyncio.Event().wait()

        async def read() -> None:
            async for each in session.infer_stream(items()):
                each.outputs()
                answered.set()

        reading = asyncio.create_task(read())
        await answered.wait()
        await session.close()
        with pytest.raises(BusyError, match="SESSION_CLOSING"):
            await reading


async def test_many_requests_in_pieces_at_once_do_not_mix(server: str) -> None:
    async with AsyncClient(server, timeout=100.0) as client, await client.create_session() as session:
        await session.load_pipeline(PIPELINE)
        cubes = [LARGE[:, : 50 + 10 * index] + index for index in range(6)]
        found = await asyncio.gather(*(session.infer_chunked(data=cube) for cube in cubes))
    for cube, outputs in zip(cubes, found, strict=True):
        np.testing.assert_allclose(outputs["unit.normalized"], unit(cube), rtol=1e-5)


@pytest.mark.usefixtures("server")
def test_a_client_on_the_same_machine_may_use_the_socket(unix_socket: Path) -> None:
    with Client(f"unix:{unix_socket}") as client, client.session() as session:
        session.load_pipeline(PIPELINE)
        found = session.infer_chunked(data=LARGE)["unit.normalized"]
    np.testing.assert_allclose(found, unit(LARGE), rtol=1e-5)


def test_more_than_there_is_room_for_is_refused_by_its_header(server: str, tmp_path: Path) -> None:
    sparse = tmp_path / "cube"
    with sparse.open("wb") as file:
        file.truncate(1 << 40)
    huge = np.memmap(sparse, np.float32, "r", shape=(1, 1 << 18, 1 << 10, 1 << 10))
    with Client(server, retry=NO_RETRY) as client, client.session() as session:
        session.load_pipeline(PIPELINE)
        with pytest.raises(LimitExceededError, match="QUOTA_MEMORY"):
            session.infer_chunked(data=huge)
