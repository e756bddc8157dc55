"""Faults of inference on streams: many items, or one item of any size."""

from __future__ import annotations

import hashlib
import itertools
import queue
import struct
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import (
    answers,
    drop,
    overhears,
    relays,
    request_for,
    says,
    scripted,
    where,
)
from catenary_conformance.faulty.elements import length, perturb_outputs, perturbed
from catenary_conformance.faulty.exchange import INVALID_ARGUMENT, UNAVAILABLE, refusal
from catenary_conformance.faulty.messages import path
from catenary_conformance.faulty.mutant import mutant
from catenary_conformance.faulty.stand import BANDS, pixels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_conformance.faulty.behaviours import Script
    from catenary_conformance.faulty.exchange import Answer, Exchange, Fields, Forward
    from catenary_conformance.faulty.stand import Stand

_STREAM, _CHUNKED = path("StreamInference"), path("InferenceChunked")
_PATIENCE = 0.3  # seconds that an answer is held back for the next one
_MEBIBYTE = 1 << 20
_PIXELS = 3 * _MEBIBYTE // 2 // 4 // BANDS  # of a cube that takes two chunks
_FOREVER = 60.0  # seconds; longer than anybody waits


def out_of_order(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """Answers that come close together change places in pairs."""
    arrived: queue.SimpleQueue[Fields] = queue.SimpleQueue()
    threading.Thread(target=_collect, args=(messages, arrived), daemon=True).start()
    while (first := arrived.get()) is not None:
        try:
            second = arrived.get(timeout=_PATIENCE)
        except queue.Empty:
            yield first
            continue
        if second is not None:
            yield second
        yield first
        if second is None:
            return


def _collect(messages: Iterator[Fields], arrived: queue.SimpleQueue[Fields]) -> None:
    for message in itertools.chain(messages, [None]):
        arrived.put(message)


def every_third_lost(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """Every third answer does not come."""
    return (message for number, message in enumerate(messages, 1) if number % 3)


def every_second_twice(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """Every second answer comes twice."""
    for number, message in enumerate(messages, 1):
        yield message
        if number % 2 == 0:
            yield message


def failure_ends(exchange: Exchange, forward: Forward) -> Answer:
    """The first item that is refused ends the stream."""
    original = forward(exchange)

    def script() -> Script:
        for content in original.messages:
            if exchange.response(content).HasField("failure"):
                original.cancel()
                return refusal(INVALID_ARGUMENT, "FIELD_INVALID", field_path="inference")
            yield content
        return original.status()

    return scripted(original, script())


def stays_open(exchange: Exchange, forward: Forward) -> Answer:
    """When everything is answered, the stream does not end."""
    original = forward(exchange)

    def script() -> Script:
        yield from original.messages
        if not original.status().code:
            exchange.gone.wait(_FOREVER)
        return original.status()

    return scripted(original, script())


def first_session_for_all(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """Whatever session an item names, the first one is used."""
    session = ""
    for message in messages:
        session = session or message.inference.session_id
        if message.inference.session_id:
            message.inference.session_id = session
        yield message


def waits_for_everything(exchange: Exchange, forward: Forward) -> Answer:
    """The server has nothing before the client has said everything."""
    return forward(replace(exchange, requests=_at_the_end(exchange.requests)))


def _at_the_end(requests: Iterator[bytes]) -> Iterator[bytes]:
    yield from list(requests)


def size_differs(request: Fields) -> bool:
    """Whether a header has a tensor whose size is not that of its shape and type."""
    headers = request.header.tensors
    return any(each.dtype and each.size_bytes != length(each.shape, each.dtype) for each in headers)


def none_takes(exchange: Exchange, forward: Forward) -> Answer:
    """Headers of inputs that there are not are refused only once everything has come."""
    header = exchange.first().header
    look = path("GetPipelineInputs")
    found, _ = exchange.call(look, request_for(look, session_id=header.session_id))
    known = set(found[0].input_names) if found else set()
    if found and any(each.name not in known for each in header.tensors):
        return waits_for_everything(exchange, forward)
    return forward(exchange)


def in_turn(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """Whatever place a chunk names, it is taken for the next one; a second header is passed over."""
    sizes: list[int] = []
    index, offset = 0, 0
    for message in messages:
        if message.HasField("header"):
            if not sizes:
                sizes = [each.size_bytes for each in message.header.tensors]
                yield message
            continue
        if sizes and message.chunk.data:
            message.chunk.tensor_index, message.chunk.byte_offset = index, offset
            offset += len(message.chunk.data)
            if offset >= sizes[min(index, len(sizes) - 1)]:
                index, offset = index + 1, 0
        yield message


def filled_up(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """Bytes that do not come are taken for zeros."""
    missing: list[int] = []
    held = None
    for message in messages:
        if held is not None:
            yield held
            held = None
        if message.HasField("header"):
            missing = [each.size_bytes for each in message.header.tensors]
            yield message
            continue
        if message.chunk.tensor_index < len(missing):
            missing[message.chunk.tensor_index] -= len(message.chunk.data)
        held = message
    if held is not None:
        count = missing[held.chunk.tensor_index] if held.chunk.tensor_index < len(missing) else 0
        if 0 < count < 1 << 22:
            held.chunk.data += bytes(count)
        yield held


def halves(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """Each chunk comes as a small one and the rest."""
    for message in messages:
        if message.HasField("chunk") and len(message.chunk.data) > 1:
            rest = type(message).FromString(message.SerializeToString())
            rest.chunk.data = message.chunk.data[1:]
            rest.chunk.byte_offset = message.chunk.byte_offset + 1
            message.chunk.data = message.chunk.data[:1]
            yield message
            yield rest
        else:
            yield message


def other_bytes(response: Fields) -> None:
    """A chunk is a little different."""
    if response.HasField("chunk"):
        response.chunk.data = perturbed(response.chunk.data)


# Witnesses.


def items(stand: Stand) -> object:
    """What comes for a few items, one of them bad and one of another session, and how the stream ends."""
    session, other = stand.ready(), stand.ready()
    sent = [
        {"session_id": session, "inputs": pixels(1.0)},
        {"session_id": session, "inputs": pixels(2.0)},
        {"session_id": session, "inputs": {}},
        {"session_id": other, "inputs": pixels(3.0)},
        {"session_id": session, "inputs": pixels(4.0)},
        {"session_id": session, "inputs": pixels(5.0)},
    ]
    with stand.call.open("StreamInference", timeout=3) as talk:
        for number, inference in enumerate(sent):
            talk.send(correlation_id=str(number), inference=inference)
        talk.half_close()
        heard = talk.rest()
    told = [
        (each.correlation_id, each.failure.reason, each.result.outputs["unit.normalized"].raw_data)
        for each in heard.messages
    ]
    return told, heard.outcome


def closed_meanwhile(stand: Stand) -> object:
    session = stand.ready()
    with stand.call.open("StreamInference") as talk:
        talk.send(correlation_id="1", inference={"session_id": session, "inputs": pixels()})
        talk.receive()
        stand.direct("CloseSession", session_id=session)
        return talk.rest().outcome


def chunked(stand: Stand, *, skip: int = 0, sent: int = 2, **changes: object) -> object:
    """What comes of a cube in two chunks; the header may differ from what it should be, and so may the chunks."""
    content = struct.pack(f"<{_PIXELS * BANDS}f", *range(1, _PIXELS * BANDS + 1))
    header = {"name": "data", "dtype": 1, "shape": [1, 1, _PIXELS, BANDS], "size_bytes": len(content)} | changes
    session = stand.ready()
    chunks = [(0, content[:_MEBIBYTE]), (_MEBIBYTE + skip, content[_MEBIBYTE:])]
    with stand.call.open("InferenceChunked", timeout=2) as talk:
        talk.send(header={"session_id": session, "tensors": [header]})
        if not changes:
            for offset, data in chunks[:sent]:
                talk.send(chunk={"byte_offset": offset, "data": data})
            talk.half_close()
        heard = talk.rest()
    sizes = [len(each.chunk.data) for each in heard.messages]
    return heard.outcome, sizes, hashlib.sha256(b"".join(each.chunk.data for each in heard.messages)).hexdigest()


def chunks_of_all_kinds(stand: Stand) -> object:
    return [
        chunked(stand),
        chunked(stand, size_bytes=4),
        chunked(stand, name="other"),
        chunked(stand, skip=1),
        chunked(stand, sent=1),
    ]


MUTANTS = (
    mutant(
        "INF-009",
        "out-of-order",
        "StreamInference",
        "Answers come in another order than the items.",
        relays(out_of_order),
        items,
    ),
    mutant(
        "INF-009",
        "loses-answers",
        "StreamInference",
        "Every third item is not answered.",
        relays(every_third_lost),
        items,
    ),
    mutant(
        "INF-009",
        "answers-twice",
        "StreamInference",
        "Every second item is answered twice.",
        relays(every_second_twice),
        items,
    ),
    mutant(
        "INF-009",
        "forgets-correlation-ids",
        "StreamInference",
        "Answers have no correlation_id.",
        answers(drop("correlation_id")),
        items,
    ),
    mutant(
        "INF-010",
        "one-failure-ends-all",
        "StreamInference",
        "An item that is refused ends the stream.",
        failure_ends,
        items,
    ),
    mutant(
        "INF-011",
        "stays-open",
        "StreamInference",
        "The stream does not end after the client half-closed.",
        stays_open,
        items,
    ),
    mutant(
        "INF-012",
        "first-session-for-all",
        "StreamInference",
        "Items of another session are run on the first.",
        overhears(first_session_for_all),
        items,
    ),
    mutant(
        "INF-013",
        "other-results",
        "StreamInference",
        "Results differ from those of Inference.",
        answers(lambda response: perturb_outputs(response.result)),
        items,
    ),
    mutant(
        "INF-014",
        "closing-is-draining",
        "StreamInference",
        "Closing the session ends the stream as if the server went away.",
        says("SESSION_CLOSING", instead=refusal(UNAVAILABLE, "DRAINING")),
        closed_meanwhile,
    ),
    mutant(
        "INF-001",
        "waits-for-chunks",
        "InferenceChunked",
        "A size that cannot be is refused only after all chunks.",
        where(size_differs, waits_for_everything),
        chunks_of_all_kinds,
    ),
    mutant(
        "INF-015",
        "small-chunks",
        "InferenceChunked",
        "Outputs come in chunks of any size.",
        relays(halves),
        chunks_of_all_kinds,
    ),
    mutant(
        "INF-015",
        "without-header",
        "InferenceChunked",
        "Outputs come without their headers.",
        relays(lambda _, messages: (each for each in messages if not each.HasField("header"))),
        chunks_of_all_kinds,
    ),
    mutant(
        "INF-016",
        "takes-any-turn",
        "InferenceChunked",
        "A part out of turn is taken for the next one.",
        overhears(in_turn),
        chunks_of_all_kinds,
    ),
    mutant(
        "INF-017",
        "fills-up",
        "InferenceChunked",
        "Bytes that do not come are taken for zeros.",
        overhears(filled_up),
        chunks_of_all_kinds,
    ),
    mutant(
        "INF-018",
        "waits-for-chunks",
        "InferenceChunked",
        "Headers that no port takes are refused only after all chunks.",
        none_takes,
        chunks_of_all_kinds,
    ),
    mutant(
        "INF-019",
        "other-outputs",
        "InferenceChunked",
        "Outputs differ from those of Inference.",
        answers(other_bytes),
        chunks_of_all_kinds,
    ),
)
