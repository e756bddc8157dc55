from __future__ import annotations

import contextlib
import tracemalloc

import numpy as np
import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import example, given
from hypothesis import strategies as st

from catenary.v1.inference_requests_pb2 import (
    InferenceChunkedRequest,
    InferenceRequest,
    InferenceResponse,
    StreamInferenceRequest,
)
from catenary.v1.pipeline_requests_pb2 import LoadPipelineWeightsRequest
from catenary.v1.tensor_pb2 import ShmRef, Tensor
from catenary_wire import fields, payloads, tensors
from catenary_wire.payloads import PAYLOAD_FIELDS, Payloads, join, split

MESSAGES: tuple[type[Message], ...] = (
    InferenceRequest,
    InferenceResponse,
    StreamInferenceRequest,
    InferenceChunkedRequest,
    LoadPipelineWeightsRequest,
    Tensor,
)


def restored(message: Message, held: Payloads) -> Message:
    """The message with every ticket replaced by its payload, through protobuf's own fields."""
    for field, value in message.ListFields():
        if field.full_name in PAYLOAD_FIELDS:
            setattr(message, field.name, bytes(held.view(value)))
        elif field.message_type is None:
            continue
        elif field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for key in value:
                    restored(value[key], held)
        elif field.is_repeated:
            for item in value:
                restored(item, held)
        else:
            restored(value, held)
    return message


def ticketed(message: Message, held: Payloads) -> Message:
    """The message with every payload field replaced by a ticket."""
    for field, value in message.ListFields():
        if field.full_name in PAYLOAD_FIELDS:
            setattr(message, field.name, held.hold(value))
        elif field.message_type is None:
            continue
        elif field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for key in value:
                    ticketed(value[key], held)
        elif not field.is_repeated:
            ticketed(value, held)
    return message


def varint_field(number: int, value: int) -> bytes:
    return fields.varint(number << 3) + fields.varint(value)


def bytes_field(number: int, content: bytes) -> bytes:
    return fields.header(number, len(content)) + content


numbers = st.integers(1, 200)
unknown_fields = st.one_of(
    st.builds(varint_field, numbers, st.integers(0, 2**64 - 1)),
    st.builds(lambda number: fields.varint(number << 3 | 1) + b"8 bytes.", numbers),
    st.builds(lambda number: fields.varint(number << 3 | 5) + b"four", numbers),
    st.builds(bytes_field, numbers, st.binary(max_size=20)),
    st.builds(lambda number: fields.varint(number << 3 | 3) + b"\x08\x01" + fields.varint(number << 3 | 4), numbers),
)


def message_of(*parts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Fields in any order and any number, known and unknown ones."""
    return st.lists(st.one_of(*parts, unknown_fields), max_size=6).map(b"".join)


def field(number: int, content: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.builds(bytes_field, st.just(number), content)


tensor_bytes = message_of(
    field(1, st.lists(st.integers(0, 300), max_size=3).map(lambda axes: b"".join(map(fields.varint, axes)))),
    st.builds(varint_field, st.just(1), st.integers(0, 300)),
    st.builds(varint_field, st.just(2), st.integers(0, 9)),
    field(3, st.binary(max_size=40)),
    field(4, st.just(bytes_field(1, b"segment"))),
)
names = st.sampled_from([b"a", b"b", b"node.port", b"\xff"])
entries = message_of(field(1, names), field(2, tensor_bytes))
input_batches = message_of(field(1, tensor_bytes), field(2, tensor_bytes), field(6, names), field(7, entries))
requests = message_of(field(1, names), field(2, input_batches), field(3, names))
responses = message_of(field(1, entries), field(2, st.just(b"\x0a\x01x\x15\x00\x00\x80\x3f")))
chunks = message_of(field(2, message_of(field(3, st.binary(max_size=40)))))
streams = message_of(field(1, names), field(2, requests))
structured = st.one_of(requests, responses, chunks, streams, tensor_bytes)


def parsed(message_type: type[Message], data: bytes) -> Message | None:
    with contextlib.suppress(DecodeError):
        return message_type.FromString(data)
    return None


def check_against_protobuf(data: bytes, message_type: type[Message]) -> None:
    expected = parsed(message_type, data)
    if expected is None:
        with pytest.raises(ValueError, match=r".+"):
            split(message_type, data)
    else:
        message = restored(*split(message_type, data))
        # What protobuf sets aside as unknown has no meaning; a map entry with a field too many goes there whole.
        message.DiscardUnknownFields()
        expected.DiscardUnknownFields()
        assert message == expected


@given(data=st.one_of(structured, st.binary(max_size=60)), message_type=st.sampled_from(MESSAGES))
@example(data=b"\x12\x02\x12\x00\x12\x09\x12\x07\x08\x02\x10\x05\x1a\x01x", message_type=InferenceRequest)
@example(data=b"\x1a\x81\x80\x80\x80\x80\x00x", message_type=Tensor)
@example(data=b"\x1a\x81\x80\x80\x80\x80\x80\x80\x80\x80\x7ex", message_type=Tensor)
@example(data=b"\x9a\x80\x80\x80\x00\x01x", message_type=Tensor)
@example(data=b"\x9a\x80\x80\x80\x80\x00\x01x", message_type=Tensor)
def test_split_takes_what_protobuf_takes_and_means_the_same(data: bytes, message_type: type[Message]) -> None:
    check_against_protobuf(data, message_type)


@given(data=structured, cut=st.integers(0, 200), message_type=st.sampled_from(MESSAGES))
def test_a_message_cut_short_is_refused_where_protobuf_refuses_it(
    data: bytes, cut: int, message_type: type[Message]
) -> None:
    check_against_protobuf(data[:cut], message_type)


@given(data=structured, message_type=st.sampled_from(MESSAGES))
def test_join_writes_what_protobuf_reads_back(data: bytes, message_type: type[Message]) -> None:
    message = parsed(message_type, data)
    if message is None:
        return
    expected = message_type.FromString(data)
    held = Payloads()
    message.DiscardUnknownFields()
    expected.DiscardUnknownFields()
    assert parsed(message_type, join(ticketed(message, held), held)) == expected


def test_a_large_payload_is_not_copied() -> None:
    cube = np.arange(4_000_000, dtype=np.float32).reshape(1, 200, 200, 100)
    held = Payloads()
    request = InferenceRequest(session_id="s")
    request.inputs.cube.CopyFrom(held.tensor(cube))
    data = join(request, held)
    tracemalloc.start()
    try:
        message, received = split(InferenceRequest, data)
        view = received.array(message.inputs.cube)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < cube.nbytes / 10
    assert np.shares_memory(view, np.frombuffer(data, np.uint8))
    assert not view.flags.writeable
    np.testing.assert_array_equal(view, cube)


def test_an_array_is_held_by_its_own_memory() -> None:
    values = np.arange(6, dtype=np.uint16).reshape(2, 3)
    held = Payloads()
    tensor = held.tensor(values)
    assert np.shares_memory(held.array(tensor), values)
    assert len(held) == 1


def test_scalars_and_empty_arrays_are_tensors() -> None:
    held = Payloads()
    scalar, empty = held.tensor(np.float32(2.5)), held.tensor(np.empty((0, 3), np.int64))
    assert held.array(scalar) == np.float32(2.5)
    assert held.array(scalar).shape == ()
    assert held.array(empty).shape == (0, 3)
    assert tensors.to_numpy(Tensor.FromString(join(empty, held))).shape == (0, 3)


def test_a_payload_that_is_not_set_is_empty() -> None:
    message, received = split(InferenceRequest, b"")
    assert received.view(message.inputs.cube.raw_data).nbytes == 0
    assert len(received) == 0


def test_a_message_of_too_many_fields_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "MAX_FIELDS", 100)
    assert len(split(InferenceRequest, bytes_field(3, b"x") * 100)[0].output_specs) == 100
    with pytest.raises(ValueError, match="more than 100 fields"):
        split(InferenceRequest, bytes_field(3, b"x") * 101)


@pytest.mark.parametrize("value", [b"abc", b"\x05\x00\x00\x00", b"real elements"])
def test_what_is_no_ticket_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="no ticket"):
        join(Tensor(raw_data=value), Payloads())


def test_elements_in_shared_memory_are_not_in_the_message() -> None:
    tensor = Tensor(shm_ref=ShmRef(name="segment"))
    with pytest.raises(ValueError, match="shared memory"):
        Payloads().array(tensor)
