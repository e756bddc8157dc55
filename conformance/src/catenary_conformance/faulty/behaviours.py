"""Of what faults are made: small behaviours that alter one side of a call, and that combine."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace
from typing import TypeAlias

from google.protobuf.message import DecodeError, Message

from catenary_conformance.faulty.exchange import (
    Answer,
    Behaviour,
    Exchange,
    Fields,
    Forward,
    Status,
    answered,
    ended,
    refusal,
    refused,
)
from catenary_conformance.faulty.messages import request_class, response_class

Edit: TypeAlias = Callable[[Fields], object]
Condition: TypeAlias = Callable[[Fields], object]  # of the first request
Script: TypeAlias = Generator[bytes, None, Status]  # messages, then the status
Transform: TypeAlias = Callable[[Exchange, Iterator[Fields]], Iterator[Message]]


def scripted(original: Answer, script: Script) -> Answer:
    """The answer with messages and status as the script gives them."""
    outcome: list[Status] = []

    def messages() -> Iterator[bytes]:
        outcome.append((yield from script))

    return replace(original, messages=messages(), status=lambda: outcome[0] if outcome else original.status())


# What the client is told.


def answers(edit: Edit) -> Behaviour:
    """Each response is edited."""
    return relays(lambda _, messages: (_edited(message, edit) for message in messages))


def answers_to(edit: Callable[[Fields, Fields], object]) -> Behaviour:
    """The response is edited knowing the first request: `edit(request, response)`."""

    def behaviour(exchange: Exchange, forward: Forward) -> Answer:
        request = exchange.first()
        return answers(lambda response: edit(request, response))(exchange, forward)

    return behaviour


def relays(transform: Transform) -> Behaviour:
    """The stream of responses passes a transform; the status stays."""

    def behaviour(exchange: Exchange, forward: Forward) -> Answer:
        original = forward(exchange)
        decoded = (exchange.response(content) for content in original.messages)
        return replace(original, messages=(message.SerializeToString() for message in transform(exchange, decoded)))

    return behaviour


def says(*reasons: str, instead: Status) -> Behaviour:
    """A refusal for one of the reasons is told as another."""
    return ends(lambda status: instead if status.reason in reasons else status)


def ends(change: Callable[[Status], Status]) -> Behaviour:
    """The status is changed."""

    def behaviour(exchange: Exchange, forward: Forward) -> Answer:
        original = forward(exchange)
        return replace(original, status=lambda: change(original.status()))

    return behaviour


def accepts(*reasons: str, answer: Callable[[Exchange], Iterable[Message]] | None = None) -> Behaviour:
    """What is refused for one of the reasons is answered OK, by an empty message unless another is given."""

    def behaviour(exchange: Exchange, forward: Forward) -> Answer:
        original = forward(exchange)

        def script() -> Script:
            yield from original.messages
            status = original.status()
            if status.reason not in reasons:
                return status
            for message in answer(exchange) if answer else [exchange.response()]:
                yield message.SerializeToString()
            return Status()

        return scripted(original, script())

    return behaviour


def refuses(status: Status, *, when: Condition = lambda _: True) -> Behaviour:
    """The server is not asked: the answer is the status."""
    return where(when, lambda _exchange, _forward: refused(status))


def pretends(answer: Callable[[Exchange], Iterable[Message]] | None = None) -> Behaviour:
    """The server is not asked: the answer is OK, with an empty message unless others are given."""
    return lambda exchange, _: answered(*(answer(exchange) if answer else [exchange.response()]))


def late(seconds: float, *reasons: str) -> Behaviour:
    """A refusal for one of the reasons comes after a while."""

    def behaviour(exchange: Exchange, forward: Forward) -> Answer:
        original = forward(exchange)

        def status() -> Status:
            if original.status().reason in reasons:
                exchange.gone.wait(seconds)
            return original.status()

        return replace(original, status=status)

    return behaviour


# What the server hears.


def hears(edit: Edit) -> Behaviour:
    """Each request is edited before the server has it; bytes that are no message stay as they are."""

    def behaviour(exchange: Exchange, forward: Forward) -> Answer:
        return forward(replace(exchange, requests=_each(exchange, edit), _first=None))

    return behaviour


def overhears(transform: Transform) -> Behaviour:
    """The stream of requests passes a transform before the server has it."""

    def behaviour(exchange: Exchange, forward: Forward) -> Answer:
        decoded = (exchange.decoded(content) for content in exchange.requests)
        requests = (message.SerializeToString() for message in transform(exchange, decoded))
        return forward(replace(exchange, requests=requests, _first=None))

    return behaviour


# What happens besides.


def before(step: Callable[[Exchange, Fields], object], *, when: Condition = lambda _: True) -> Behaviour:
    """A step of the fault's own first, with the first request; then the call as it is."""

    def behaviour(exchange: Exchange, forward: Forward) -> Answer:
        request = exchange.first()
        if when(request):
            step(exchange, request)
        return forward(exchange)

    return behaviour


def after(step: Callable[[Exchange, Fields, Status], object]) -> Behaviour:
    """The call as it is; then a step of the fault's own before the client hears how it ended."""

    def behaviour(exchange: Exchange, forward: Forward) -> Answer:
        request = exchange.first()
        original = forward(exchange)

        def script() -> Script:
            held = yield from _but_last(original.messages)
            status = original.status()
            step(exchange, request, status)
            if held is not None:
                yield held
            return status

        return scripted(original, script())

    return behaviour


def where(condition: Condition, behaviour: Behaviour) -> Behaviour:
    """The behaviour for calls whose first request meets the condition; others pass."""
    return lambda exchange, forward: behaviour(exchange, forward) if condition(exchange.first()) else forward(exchange)


def on(method: str, behaviour: Behaviour) -> Behaviour:
    """The behaviour for one method of those that the fault touches; others pass."""
    return lambda exchange, forward: (
        behaviour(exchange, forward) if exchange.method.endswith(f"/{method}") else forward(exchange)
    )


def both(outer: Behaviour, inner: Behaviour) -> Behaviour:
    """One behaviour around another."""
    return lambda exchange, forward: outer(exchange, lambda passed: inner(passed, forward))


# What is remembered.


def replays(key: Callable[[Fields], object], *, once: bool = False) -> Behaviour:
    """The first good answer to a request of a key is given again for each later request of that key.

    A key of None is not remembered. With `once`, a remembered answer is given a single time.
    """

    def behaviour(exchange: Exchange, forward: Forward) -> Answer:
        name = key(exchange.first())
        if name is None:
            return forward(exchange)
        kept = exchange.memory.get(name)
        if kept is not None:
            if once:
                exchange.memory.put(name, None)
            return Answer(iter(kept))
        messages, status = ended(forward(exchange))
        if status.code == 0:
            exchange.memory.put(name, messages)
        return Answer(iter(messages), lambda: status)

    return behaviour


# Edits, and messages made for an answer.


def put(path: str, value: object) -> Edit:
    """Set the field at a dotted path, where its parents are set; a list or map is replaced."""

    def edit(message: Fields) -> None:
        parent = _parent(message, path)
        if parent is None:
            return
        name = path.rsplit(".", 1)[-1]
        parent.ClearField(name)
        parent.MergeFrom(type(parent)(**{name: value}))

    return edit


def drop(path: str) -> Edit:
    """Clear the field at a dotted path."""

    def edit(message: Fields) -> None:
        parent = _parent(message, path)
        if parent is not None:
            parent.ClearField(path.rsplit(".", 1)[-1])

    return edit


def drop_last(path: str) -> Edit:
    """Take the last entry off the list at a dotted path."""

    def edit(message: Fields) -> None:
        parent = _parent(message, path)
        entries = getattr(parent, path.rsplit(".", 1)[-1], [])
        if entries:
            del entries[-1]

    return edit


def rename_each(items: str, path: str, change: Callable[[Fields], Fields]) -> Edit:
    """Change a field of each entry of a list."""

    def edit(message: Fields) -> None:
        for entry in getattr(message, items):
            setattr(entry, path, change(getattr(entry, path)))

    return edit


def edits(*steps: Edit) -> Edit:
    """One edit after the other."""

    def edit(message: Fields) -> None:
        for step in steps:
            step(message)

    return edit


def invalid(reason: str = "FIELD_INVALID", *, field_path: str = "session_id") -> Status:
    """INVALID_ARGUMENT as a server tells it."""
    return refusal(3, reason, field_path=field_path)


def empty_response(method: str) -> Fields:
    """An empty response of a method, by its path."""
    return response_class(method)()


def request_for(method: str, **fields: object) -> Fields:
    """A request of a method, by its path."""
    return request_class(method)(**fields)


def _each(exchange: Exchange, edit: Edit) -> Iterator[bytes]:
    for content in exchange.requests:
        try:
            message = request_class(exchange.method).FromString(content)
        except DecodeError:
            yield content
            continue
        yield _edited(message, edit).SerializeToString()


def _edited(message: Fields, edit: Edit) -> Fields:
    edit(message)
    return message


def _parent(message: Fields, path: str) -> Fields:
    """The message that holds the last field of the path; None where a message on the way is not set."""
    *parents, _ = path.split(".")
    for name in parents:
        if not message.HasField(name):
            return None
        message = getattr(message, name)
    return message


def _but_last(messages: Iterator[bytes]) -> Generator[bytes, None, bytes | None]:
    held: bytes | None = None
    for message in messages:
        if held is not None:
            yield held
        held = message
    return held
