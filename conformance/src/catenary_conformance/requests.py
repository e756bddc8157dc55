"""The smallest valid request of each RPC that names a session, made from descriptors and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from catenary_conformance.rules import Place, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from catenary_conformance.contract import Contract, Method

_SESSION_FIELD = "session_id"
_SERVICES = "catenary.v1."
"""In the telemetry services, `session_id` is another noun for a run."""
_ROUNDS = 8


def requests_naming(contract: Contract, session_id: str) -> Iterator[tuple[Method, Message]]:
    """Every RPC whose request can name a session, with such a request; in the order of the contract."""
    for method in contract.methods.values():
        if method.service.startswith(_SERVICES):
            request = method.request()
            if _place(request, session_id):
                yield method, _repaired(contract, request)


def _place(message: Message, session_id: str) -> bool:
    """Name the session in the message itself, else in the first message inside it that can."""
    if _SESSION_FIELD in message.DESCRIPTOR.fields_by_name:
        setattr(message, _SESSION_FIELD, session_id)
        return True
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None and not field.is_repeated:
            inner = getattr(message, field.name)
            if _place(inner, session_id):
                inner.SetInParent()
                return True
    return False


def _repaired(contract: Contract, message: Message) -> Message:
    """The message with what its rules ask for.

    Raises:
        AssertionError: the rules ask for more than this module can make.
    """
    for _ in range(_ROUNDS):
        broken = contract.violations(message)
        if not broken:
            return message
        for rule in broken:
            _repair(message, rule)
    raise AssertionError(f"no valid {message.DESCRIPTOR.full_name} was found")


def _repair(message: Message, rule: Rule) -> None:
    *outer, name = rule.field.split(".")
    for each in outer:
        message = _inside(message, each)
    if rule.place is Place.ONEOF:
        name = message.DESCRIPTOR.oneofs_by_name[name].fields[0].name
    _fill(message, message.DESCRIPTOR.fields_by_name[name])


def _inside(message: Message, name: str) -> Any:  # noqa: ANN401 - a message of some type
    value: Any = getattr(message, name)
    return value[0] if message.DESCRIPTOR.fields_by_name[name].is_repeated else value


def _fill(message: Message, field: Any) -> None:  # noqa: ANN401 - a descriptor, of the library in C or in Python
    """Give a field the simplest value that is not its default."""
    if field.is_repeated:
        getattr(message, field.name).add()
    elif field.message_type is not None:
        getattr(message, field.name).SetInParent()
    elif field.enum_type is not None:
        setattr(message, field.name, _second_value(message, field))
    elif field.type == FieldDescriptor.TYPE_BYTES:
        setattr(message, field.name, b"{}")
    elif field.type == FieldDescriptor.TYPE_STRING:
        setattr(message, field.name, _first_word(field))
    else:
        setattr(message, field.name, 4)  # as many bytes as a float32 scalar has


def _second_value(message: Message, field: Any) -> int:  # noqa: ANN401 - as above
    """A defined value other than zero; the next one each time it is asked again."""
    values = sorted(each.number for each in field.enum_type.values)
    present = int(getattr(message, field.name))
    return int(next((each for each in values if each > present), values[-1]))


def _first_word(field: Any) -> str:  # noqa: ANN401 - as above
    """A group of configurations where one is asked for; else any word."""
    return "trainrun" if field.name == "config_type" else "x"
