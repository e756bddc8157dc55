from __future__ import annotations

import gc
import mmap
import os
import resource

import numpy as np
import pytest

from catenary_server.domain.failure import Failure, Reason
from catenary_server.runtimes.blocks import ALIGNMENT, Block, IncomingBlocks, OutgoingBlocks, room_for

KEPT = 1 << 30


def sent(block: Block, incoming: IncomingBlocks) -> None:
    assert block.descriptor is not None
    incoming.add(block.number, block.size, os.dup(block.descriptor))
    block.close_descriptor()


def test_what_is_written_on_one_side_is_read_on_the_other() -> None:
    outgoing, incoming = OutgoingBlocks(KEPT), IncomingBlocks(writable=False, populate=True)
    block = outgoing.lease(300_000)
    spans = block.fill([memoryview(b"a" * 70_001), memoryview(b"b" * 5)])
    sent(block, incoming)
    first, second = incoming.views(block.number, spans)
    assert bytes(first) == b"a" * 70_001
    assert bytes(second) == b"bbbbb"
    assert spans[1][0] % ALIGNMENT == 0


def test_payloads_written_into_a_divided_block_are_read_on_the_other_side() -> None:
    outgoing, incoming = OutgoingBlocks(KEPT), IncomingBlocks(writable=False, populate=False)
    sizes = (70_001, 0, 5)
    block = outgoing.lease(room_for(sizes))
    views = block.divide(sizes)
    assert [view.nbytes for view in views] == list(sizes)
    views[0][:] = b"a" * 70_001
    views[2][:] = b"bbbbb"
    spans = block.spans_of((views[0], views[2]))
    assert all(start % ALIGNMENT == 0 for start, _ in spans)
    sent(block, incoming)
    assert [bytes(view) for view in incoming.views(block.number, spans)] == [b"a" * 70_001, b"bbbbb"]


def test_a_payload_elsewhere_is_not_taken_for_one_of_the_block() -> None:
    outgoing = OutgoingBlocks(KEPT)
    block, other = outgoing.lease(100), outgoing.lease(100)
    with pytest.raises(ValueError, match="does not lie in the block"):
        block.spans_of(other.divide((10,)))


def test_free_blocks_that_are_too_small_make_way_for_a_large_one() -> None:
    outgoing = OutgoingBlocks(300_000)
    small = [outgoing.lease(100_000) for _ in range(2)]
    outgoing.take_back(block.number for block in small)
    assert outgoing.free_bytes >= 200_000
    outgoing.lease(250_000)
    assert outgoing.free_bytes <= 50_000


def test_a_block_is_released_only_when_everything_made_from_its_views_is_gone() -> None:
    outgoing, incoming = OutgoingBlocks(KEPT), IncomingBlocks(writable=False, populate=False)
    block = outgoing.lease(100)
    spans = block.fill([memoryview(bytes(range(10))), memoryview(b"x")])
    sent(block, incoming)
    views = incoming.views(block.number, spans)
    array = np.frombuffer(views[0], np.uint8)[2:4]
    del views
    gc.collect()
    assert incoming.take_released() == ()
    assert array.tolist() == [2, 3]
    del array
    assert incoming.take_released() == (block.number,)
    assert incoming.take_released() == ()


def test_views_outlive_a_block_that_the_writer_gave_up() -> None:
    outgoing, incoming = OutgoingBlocks(0), IncomingBlocks(writable=False, populate=False)
    block = outgoing.lease(10)
    spans = block.fill([memoryview(b"0123456789")])
    sent(block, incoming)
    (view,) = incoming.views(block.number, spans)
    outgoing.take_back([block.number])
    incoming.forget(outgoing.take_forgotten())
    outgoing.close()
    del block
    assert incoming.mapped_count == 0
    assert bytes(view) == b"0123456789"


def test_a_leased_block_is_never_leased_again_before_it_comes_back() -> None:
    outgoing = OutgoingBlocks(KEPT)
    first, second = outgoing.lease(100), outgoing.lease(100)
    assert first.number != second.number
    outgoing.take_back([first.number])
    assert outgoing.lease(100) is first


def test_the_smallest_block_that_fits_is_used() -> None:
    outgoing = OutgoingBlocks(KEPT)
    large, small = outgoing.lease(1 << 22), outgoing.lease(1 << 16)
    outgoing.take_back([large.number, small.number])
    assert outgoing.lease(10) is small
    assert outgoing.lease(1 << 20) is large


def test_free_memory_beyond_what_may_be_kept_is_given_up_and_named() -> None:
    outgoing = OutgoingBlocks(1 << 20)
    large, small = outgoing.lease(1 << 22), outgoing.lease(1 << 16)
    outgoing.take_back([large.number, small.number])
    assert outgoing.take_forgotten() == (large.number,)
    assert outgoing.free_bytes == small.size
    outgoing.trim()
    assert outgoing.take_forgotten() == (small.number,)
    assert outgoing.free_bytes == 0


def test_a_block_cannot_be_cut_short_under_its_readers() -> None:
    block = OutgoingBlocks(KEPT).lease(100)
    assert block.descriptor is not None
    with pytest.raises(PermissionError):
        os.ftruncate(block.descriptor, 0)


def test_a_read_only_side_cannot_write() -> None:
    outgoing, incoming = OutgoingBlocks(KEPT), IncomingBlocks(writable=False, populate=False)
    block = outgoing.lease(1)
    spans = block.fill([memoryview(b"x")])
    sent(block, incoming)
    (view,) = incoming.views(block.number, spans)
    assert view.readonly


def test_no_memory_for_a_payload_is_a_failure_that_may_be_retried() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(Failure) as caught:
            OutgoingBlocks(KEPT).lease(1 << 21)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.reason is Reason.OVERLOADED
    assert caught.value.retry_after is not None


def test_closing_closes_the_descriptors_that_were_not_sent() -> None:
    outgoing = OutgoingBlocks(KEPT)
    block = outgoing.lease(1)
    outgoing.close()
    assert block.descriptor is None
    assert isinstance(block.memory, mmap.mmap)
