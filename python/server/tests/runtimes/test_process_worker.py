from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.runtime import WeightsReport
from catenary_server.domain.tensor import DType, Tensor
from catenary_server.runtimes import process_worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary_server.domain.pipeline import PipelineConfig
    from catenary_server.runtimes import ProcessRuntime
    from catenary_server.runtimes.blocks import Block
    from catenary_server.runtimes.process_worker import ProcessWorker

    Filled = Callable[[int, int], Tensor]
    Named = Callable[[str], PipelineConfig]

LARGE = 2 << 20


async def test_a_tensor_of_64_mb_comes_back_bit_for_bit(worker: ProcessWorker) -> None:
    array = np.random.default_rng(1).integers(0, 256, (4, 2048, 2048), dtype=np.uint16).view(np.float16)[..., :2000]
    inference = await worker.infer({"cube": Tensor.of(array)}, ())
    result = inference.outputs["echo.cube"]
    assert (result.dtype, result.shape) == (DType.FLOAT16, array.shape)
    assert bytes(result.data) == array.tobytes()


async def test_inputs_written_into_reserved_memory_arrive_without_a_copy(worker: ProcessWorker) -> None:
    array = np.random.default_rng(2).random((3, LARGE // 8))
    for _ in range(2):  # in a new block, then in the same one again
        reservation = await worker.reserve([array.nbytes, 5, 0])
        for memory, data in zip(reservation.memory, (array.tobytes(), b"short", b""), strict=True):
            memory[:] = data
        inputs = {
            "x": Tensor(DType.FLOAT64, array.shape, reservation.memory[0]),
            "y": Tensor(DType.UINT8, (5,), reservation.memory[1]),
            "z": Tensor(DType.UINT8, (0,), reservation.memory[2]),
        }
        inference = await worker.infer(inputs, (), reservation)
        reservation.release()
        np.testing.assert_array_equal(inference.outputs["echo.x"].array(), array)
        assert bytes(inference.outputs["echo.y"].data) == b"short"
        assert inference.outputs["echo.z"].shape == (0,)
        del inference
        await worker.infer({}, ())  # carries the news that the block is free again
        assert worker._framing.outgoing.leased_count == 0
    assert worker._framing.outgoing.free_bytes < 2 * array.nbytes


async def test_a_reservation_with_short_inputs_alone_is_free_at_once(worker: ProcessWorker) -> None:
    reservation = await worker.reserve([5])
    reservation.memory[0][:] = b"short"
    tensor = Tensor(DType.UINT8, (5,), reservation.memory[0])
    inference = await worker.infer({"x": tensor}, (), reservation)
    assert bytes(inference.outputs["echo.x"].data) == b"short"
    assert worker._framing.outgoing.leased_count == 0
    with pytest.raises(ValueError, match="used or released"):
        await worker.infer({"x": tensor}, (), reservation)


async def test_a_reservation_that_is_not_used_is_given_back(worker: ProcessWorker) -> None:
    reservation = await worker.reserve([LARGE])
    assert worker._framing.outgoing.leased_count == 1
    reservation.release()
    reservation.release()
    assert worker._framing.outgoing.leased_count == 0


async def test_more_than_the_machine_has_is_refused_before_it_is_allocated(worker: ProcessWorker) -> None:
    with pytest.raises(Failure) as caught:
        await worker.reserve([1 << 62, 1 << 62])
    assert caught.value.reason is Reason.QUOTA_MEMORY
    assert caught.value.retry_after is not None
    assert worker._framing.outgoing.leased_count == 0


async def test_a_reservation_cancelled_while_it_is_made_returns_its_memory(
    worker: ProcessWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    leased, given_up = threading.Event(), asyncio.Event()
    lease, give_up = worker._lease, worker._give_up

    def slowly(nbytes: int) -> Block:
        leased.wait()
        return lease(nbytes)

    def at_last(leasing: asyncio.Future[Block]) -> None:
        give_up(leasing)
        given_up.set()

    monkeypatch.setattr(worker, "_lease", slowly)
    monkeypatch.setattr(worker, "_give_up", at_last)
    making = asyncio.create_task(worker.reserve([LARGE]))
    await asyncio.sleep(0)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    leased.set()
    async with asyncio.timeout(20):
        await given_up.wait()
    assert worker._framing.outgoing.leased_count == 0


async def test_a_closed_worker_reserves_nothing(worker: ProcessWorker) -> None:
    await worker.close()
    with pytest.raises(Failure) as caught:
        await worker.reserve([5])
    assert caught.value.reason is Reason.SESSION_CLOSING


async def test_inferences_are_answered_in_the_order_they_were_asked(worker: ProcessWorker, filled: Filled) -> None:
    done: list[int] = []

    async def ask(number: int) -> None:
        size = LARGE if number % 7 == 0 else 100
        inference = await worker.infer({"x": filled(size, number)}, ())
        assert inference.outputs["echo.x"].array()[-1] == number
        done.append(number)

    await asyncio.gather(*(ask(number) for number in range(100)))
    assert done == list(range(100))


async def test_replies_that_are_kept_are_never_overwritten(worker: ProcessWorker, filled: Filled) -> None:
    kept = [await worker.infer({"x": filled(LARGE, value)}, ()) for value in range(5)]
    for _ in range(30):
        await worker.infer({"x": filled(LARGE, 255)}, ())
    for value, inference in enumerate(kept):
        assert np.all(inference.outputs["echo.x"].array() == value)


async def test_blocks_of_replies_that_are_gone_are_used_again(worker: ProcessWorker, filled: Filled) -> None:
    for value in range(30):
        await worker.infer({"x": filled(LARGE, value)}, ())
    assert worker._framing.incoming.mapped_count <= 2
    assert worker._framing.outgoing.leased_count == 0


async def test_inputs_that_an_engine_keeps_are_never_overwritten(worker: ProcessWorker, filled: Filled) -> None:
    await worker.infer({"x": filled(LARGE, 1)}, ("keep inputs",))
    for _ in range(5):
        await worker.infer({"x": filled(LARGE, 2)}, ("check kept inputs=1",))
    assert worker._framing.outgoing.leased_count == 1
    await worker.infer({}, ("drop inputs",))
    await worker.infer({}, ())
    assert worker._framing.outgoing.leased_count == 0


async def test_a_load_asked_for_during_an_inference_is_done_after_it(
    worker: ProcessWorker, pipeline: Named, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    inference = asyncio.create_task(worker.infer({}, (f"wait for file={gate}",)))
    load = asyncio.create_task(worker.load_pipeline(pipeline("p")))
    assert await worker.stop_training() is False
    assert not load.done()
    gate.touch()
    await load
    assert (await inference).metrics["loaded"] == 0
    assert (await worker.infer({}, ())).metrics["loaded"] == 1


@pytest.mark.parametrize("size", [0, 10, LARGE])
async def test_weights_come_back_as_they_were_loaded(worker: ProcessWorker, size: int) -> None:
    weights = os.urandom(size)
    assert await worker.load_weights(weights, strict=True) == WeightsReport()
    assert await worker.dump_weights() == weights + b"strict"
    assert await worker.load_weights(weights, strict=False) == WeightsReport(missing=("node.missing",))
    assert await worker.dump_weights() == weights


async def test_a_failure_of_the_engine_arrives_whole(worker: ProcessWorker, pipeline: Named) -> None:
    with pytest.raises(Failure, match="a cycle") as caught:
        await worker.load_pipeline(pipeline("refuse"))
    failure = caught.value
    assert failure.reason is Reason.GRAPH_INVALID
    assert failure.resource is not None
    assert failure.violations[0].subject == "connections.0"
    assert (failure.retry_after, failure.metadata) == (1.5, {"next_offset": "7"})


@pytest.mark.parametrize(("name", "kind"), [("bug", "ZeroDivisionError"), ("leave", "SystemExit")])
async def test_a_bug_is_logged_and_the_client_learns_only_where_to_look(
    worker: ProcessWorker, pipeline: Named, caplog: pytest.LogCaptureFixture, name: str, kind: str
) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(Failure) as caught:
        await worker.load_pipeline(pipeline(name))
    assert caught.value.reason is Reason.INTERNAL_BUG
    assert "secret detail" not in caught.value.message
    assert kind in caplog.text
    assert caught.value.metadata["log_id"] in caplog.text
    await worker.load_pipeline(pipeline("works again"))


async def test_what_cannot_be_sent_back_is_a_bug_not_a_hang(worker: ProcessWorker) -> None:
    with pytest.raises(Failure) as caught:
        await worker.infer({}, ("foreign type",))
    assert caught.value.reason is Reason.INTERNAL_BUG


async def test_a_worker_killed_during_a_call_fails_it_and_is_reported_once(
    worker: ProcessWorker, losses: list[Failure], tmp_path: Path
) -> None:
    call = asyncio.create_task(
        worker.infer({}, (f"make file={tmp_path / 'begun'}", f"wait for file={tmp_path / 'no'}"))
    )
    waiting = asyncio.create_task(worker.infer({}, ()))
    assert await worker.stop_training() is False
    os.kill(worker.process_id, signal.SIGKILL)
    for task in (call, waiting):
        with pytest.raises(Failure, match=r"SIGKILL.*: load a pipeline again, or close the session") as caught:
            await task
        assert caught.value.reason is Reason.WORKER_CRASHED
    with pytest.raises(Failure, match="SIGKILL"):
        await worker.infer({}, ())
    assert [loss.reason for loss in losses] == [Reason.WORKER_CRASHED]
    await worker.close()
    assert len(losses) == 1


async def test_the_exit_code_of_a_lost_worker_is_named(worker: ProcessWorker, losses: list[Failure]) -> None:
    with pytest.raises(Failure, match="exit code 5"):
        await worker.infer({}, ("exit=5",))
    assert "exit code 5" in losses[0].message


async def test_a_cancelled_call_returns_its_memory_and_leaves_the_others_alone(
    worker: ProcessWorker, filled: Filled, tmp_path: Path
) -> None:
    gate, skipped = tmp_path / "gate", tmp_path / "skipped"
    first = asyncio.create_task(worker.infer({"x": filled(LARGE, 1)}, (f"wait for file={gate}",)))
    second = asyncio.create_task(worker.infer({"x": filled(LARGE, 2)}, (f"make file={skipped}",)))
    third = asyncio.create_task(worker.infer({"x": filled(LARGE, 3)}, ()))
    while worker._framing.outgoing.leased_count < 3:
        await worker.stop_training()
    for task in (first, second):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await worker.stop_training()  # is heard behind the cancellations
    gate.touch()
    assert np.all((await third).outputs["echo.x"].array() == 3)
    await worker.infer({}, ())
    assert not skipped.exists()
    assert worker._framing.outgoing.leased_count == 0


async def test_a_call_cancelled_while_its_payload_is_copied_returns_its_memory(
    worker: ProcessWorker, filled: Filled
) -> None:
    task = asyncio.create_task(worker.infer({"x": filled(32 << 20, 1)}, ()))
    await asyncio.sleep(0)
    assert worker._order.locked()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert np.all((await worker.infer({"x": filled(LARGE, 2)}, ())).outputs["echo.x"].array() == 2)
    await worker.infer({}, ())
    while worker._framing.outgoing.leased_count:
        await worker.infer({}, ())


async def test_descriptors_do_not_grow_with_calls(worker: ProcessWorker, filled: Filled) -> None:
    def ours() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async def ask(count: int) -> float:
        inference = None
        for number in range(count):
            inference = await worker.infer({"x": filled(LARGE if number % 3 else 50, 1)}, ())
        assert inference is not None
        return inference.metrics["descriptors"]

    theirs_before = await ask(10)
    ours_before = ours()
    assert await ask(200) <= theirs_before
    assert ours() <= ours_before


async def test_a_resting_worker_gives_up_its_shared_memory(worker: ProcessWorker, filled: Filled) -> None:
    await worker.infer({"x": filled(LARGE, 1)}, ())
    await worker.infer({}, ())
    assert worker._framing.outgoing.free_bytes >= LARGE
    worker.trim_if_idle(0)
    await worker.infer({}, ())
    assert worker._framing.outgoing.free_bytes == 0
    assert worker._framing.incoming.mapped_count == 0
    assert np.all((await worker.infer({"x": filled(LARGE, 9)}, ())).outputs["echo.x"].array() == 9)


async def test_close_fails_open_calls_and_returns_when_the_process_is_gone(
    worker: ProcessWorker, losses: list[Failure], tmp_path: Path
) -> None:
    call = asyncio.create_task(worker.infer({}, (f"wait for file={tmp_path / 'no'}",)))
    await worker.stop_training()
    await asyncio.gather(worker.close(), worker.close())
    with pytest.raises(Failure) as caught:
        await call
    assert caught.value.reason is Reason.SESSION_CLOSING
    with pytest.raises(ProcessLookupError):
        os.kill(worker.process_id, 0)
    assert losses == []
    with pytest.raises(Failure, match="closed"):
        await worker.dump_weights()
    await worker.close()


async def test_a_worker_that_does_not_end_is_killed(worker: ProcessWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_worker, "GRACE_SECONDS", 0.05)
    os.kill(worker.process_id, signal.SIGSTOP)
    await worker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(worker.process_id, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_for_the_whole_group_are_left_to_the_front_end(
    worker: ProcessWorker, losses: list[Failure], number: signal.Signals
) -> None:
    os.kill(worker.process_id, number)
    assert (await worker.infer({}, ())).metrics["pid"] == worker.process_id
    assert losses == []


async def test_an_engine_may_start_helper_processes_which_are_copies_of_its_own(worker: ProcessWorker) -> None:
    with pytest.raises(Failure, match="fork 6"):
        await worker.infer({}, ("helper process",))


async def test_sessions_do_not_see_each_other(runtime: ProcessRuntime, pipeline: Named, losses: list[Failure]) -> None:
    one = await runtime.start_worker(device="cpu", on_lost=losses.append)
    other = await runtime.start_worker(device="cpu", on_lost=lambda _: None)
    await one.load_pipeline(pipeline("p"))
    assert (await one.infer({}, ())).metrics["loaded"] == 1
    assert (await other.infer({}, ())).metrics["loaded"] == 0
    with pytest.raises(Failure):
        await other.infer({}, ("exit=1",))
    assert (await one.infer({}, ())).metrics["pid"] == one.process_id
    assert losses == []
