"""Faults of who may see what: what belongs to somebody else, and what was deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import after, relays, request_for
from catenary_conformance.faulty.exchange import Answer, answered, ended

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_conformance.faulty.exchange import Behaviour, Exchange, Fields, Forward

_NAMES = ("Create", "Register", "Upload")  # how the names of methods begin that make what has an owner


def shown_to_all(key: str, *, within: str = "") -> Behaviour:
    """What somebody made is shown to everybody: it is asked for with the credentials that made it.

    Args:
        key: field of the request that names the thing, and of the answer that made it.
        within: field of that answer which holds the key, when it is not at its top.
    """

    def behaviour(exchange: Exchange, forward: Forward) -> Answer:
        if not exchange.method.rsplit("/", 1)[1].startswith(_NAMES):
            owner = exchange.memory.get(getattr(exchange.first(), key, ""))
            return forward(replace(exchange, metadata=owner or exchange.metadata))
        contents, status = ended(forward(exchange))
        for content in contents:
            made = exchange.response(content)
            made = getattr(made, within) if within else made
            name = getattr(made, key, "") or made.session_id
            exchange.memory.put(name, exchange.metadata)
        return Answer(iter(contents), lambda: status)

    return behaviour


def found_when_deleted(key: str, *, within: str) -> Behaviour:
    """What was deleted is still found, with nothing in it but its id.

    Args:
        key: field of the requests, and of what is found, that names the thing.
        within: field of the answer that holds what is found.
    """

    def behaviour(exchange: Exchange, forward: Forward) -> Answer:
        deleted = exchange.memory.take("deleted", set())
        name = getattr(exchange.first(), key)
        if exchange.method.rsplit("/", 1)[1].startswith("Delete"):
            return after(lambda _, __, status: None if status.code else deleted.add(name))(exchange, forward)
        if name not in deleted:
            return forward(exchange)
        response = exchange.response()
        setattr(getattr(response, within), key, name)
        return answered(response)

    return behaviour


def lists_of_all(items: str) -> Behaviour:
    """The last page of a list has what all have who ever asked for one."""

    def transform(exchange: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
        callers = exchange.memory.take("callers", set())
        callers.add(exchange.metadata)
        for message in messages:
            if not message.next_page_token:
                for other in callers - {exchange.metadata}:
                    (foreign,), _ = exchange.call(exchange.method, request_for(exchange.method), metadata=other)
                    getattr(message, items).extend(getattr(foreign, items))
            yield message

    return relays(transform)
