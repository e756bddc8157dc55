from __future__ import annotations

import os
import pickle
from decimal import Decimal
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from catenary_server.domain.failure import Failure, Reason, Resource, Violation
from catenary_server.domain.progress import Progress
from catenary_server.domain.runtime import Inference
from catenary_server.domain.tensor import DType, Tensor
from catenary_server.runtimes.blocks import IncomingBlocks, OutgoingBlocks
from catenary_server.runtimes.frames import INLINE_BYTES, Envelope, Framing
from catenary_server.runtimes.messages import Method, Refusal, Reply, Report, Request

if TYPE_CHECKING:
    from catenary_server.runtimes.messages import Message


def ends() -> tuple[Framing, Framing]:
    def end() -> Framing:
        return Framing(OutgoingBlocks(1 << 30), IncomingBlocks(writable=True, populate=False))

    return end(), end()


def transfer(sender: Framing, receiver: Framing, message: Message, step: int = 1 << 30) -> list[Message]:
    parcel = sender.pack(message)
    frame, descriptors = sender.frame(parcel)
    copies = [os.dup(descriptor) for descriptor in descriptors]
    sender.sent(parcel)
    received: list[Message] = []
    for start in range(0, len(frame), step):
        received += receiver.feed(frame[start : start + step], copies if start == 0 else [])
    return received


def value(messages: list[Message]) -> object:
    (reply,) = messages
    assert isinstance(reply, Reply)
    return reply.value


def test_tensors_of_all_sizes_arrive_as_they_were() -> None:
    sender, receiver = ends()
    for count in (0, 1, INLINE_BYTES // 4 - 1, INLINE_BYTES // 4, 100_000):
        array = np.arange(count, dtype=np.float32).reshape(1, count)
        inference = Inference(outputs={"a": Tensor.of(array), "b": Tensor.of(array)}, metrics={"iou": 0.25})
        result = value(transfer(sender, receiver, Reply(1, inference)))
        assert isinstance(result, Inference)
        assert result.metrics == {"iou": 0.25}
        for name in ("a", "b"):
            assert result.outputs[name].dtype is DType.FLOAT32
            assert np.array_equal(result.outputs[name].array(), array)


def test_large_payloads_are_shared_and_short_ones_inline() -> None:
    sender, receiver = ends()
    transfer(sender, receiver, Reply(1, memoryview(bytes(INLINE_BYTES - 1))))
    assert receiver.incoming.mapped_count == 0
    transfer(sender, receiver, Reply(1, memoryview(bytes(INLINE_BYTES))))
    assert receiver.incoming.mapped_count == 1


def test_frames_may_arrive_byte_by_byte() -> None:
    sender, receiver = ends()
    result = value(transfer(sender, receiver, Reply(1, memoryview(b"z" * INLINE_BYTES)), step=1))
    assert result == memoryview(b"z" * INLINE_BYTES)


def test_a_released_block_is_used_again_and_sent_without_a_descriptor() -> None:
    one, other = ends()
    payload = memoryview(bytes(INLINE_BYTES))
    result = transfer(one, other, Reply(1, payload))
    assert one.outgoing.leased_count == 1
    del result
    transfer(other, one, Reply(1, None))
    assert one.outgoing.leased_count == 0
    parcel = one.pack(Reply(2, payload))
    assert one.frame(parcel)[1] == ()


def test_a_block_is_not_used_again_while_the_receiver_reads_it() -> None:
    one, other = ends()
    kept = value(transfer(one, other, Reply(1, memoryview(b"1" * INLINE_BYTES))))
    transfer(other, one, Reply(1, None))
    transfer(one, other, Reply(2, memoryview(b"2" * INLINE_BYTES)))
    assert kept == memoryview(b"1" * INLINE_BYTES)


def test_a_discarded_parcel_returns_its_block() -> None:
    one, _ = ends()
    one.discard(one.pack(Reply(1, memoryview(bytes(INLINE_BYTES)))))
    assert one.outgoing.leased_count == 0


def test_failures_keep_everything_they_say() -> None:
    one, other = ends()
    failure = Failure(
        Reason.GRAPH_INVALID,
        "a cycle",
        resource=Resource("pipeline", "p"),
        violations=(Violation("connections.0", "cycle"),),
        retry_after=1.5,
        metadata={"next_offset": "7"},
    )
    (refusal,) = transfer(one, other, Refusal(1, failure))
    assert isinstance(refusal, Refusal)
    assert vars(refusal.failure) == vars(failure)


def test_numpy_numbers_arrive_as_plain_numbers() -> None:
    one, other = ends()
    progress = Progress(
        losses={"a_loss": np.float64(0.5), "b_loss": cast("float", np.float32(0.25))}, epoch=int(np.int64(3))
    )
    (report,) = transfer(one, other, Report(1, progress))
    assert isinstance(report, Report)
    assert report.progress == progress
    assert [type(loss) for loss in report.progress.losses.values()] == [float, float]


@pytest.mark.parametrize("foreign", [Decimal(1), os.system, os.path.join, type, object(), Failure.with_traceback])
def test_foreign_types_are_refused_where_they_are_sent(foreign: object) -> None:
    with pytest.raises(TypeError, match="does not cross"):
        ends()[0].pack(Request(1, Method.INFER, ({"x": foreign},)))


def test_foreign_types_are_refused_where_they_arrive() -> None:
    content = pickle.dumps(tuple(Envelope(pickle.dumps(os.system))))
    with pytest.raises(pickle.UnpicklingError, match="system does not cross"):
        list(ends()[0].feed(len(content).to_bytes(4, "little") + content, []))
