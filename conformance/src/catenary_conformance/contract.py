"""The contract as the suite reads it: RPCs, requirements, reasons and rules, from the image in `catenary-contract`.

Nothing here is typed by hand. Messages that are sent and received are those of the generated stubs, so that cases are
checked by types; rules and options are read from the image, whose descriptors have a pool of their own.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import importlib
import importlib.resources
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.message_factory import GetMessageClass

from catenary_conformance.general import GENERAL
from catenary_conformance.image import FIELD_OPTION, METHOD_OPTION, REASON_OPTION, Image
from catenary_conformance.levels import Level, Requirement
from catenary_conformance.rules import Rule, Validator, rules_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

__all__ = ["ANY_RPC", "Contract", "Level", "Method", "Reason", "Requirement", "Retry", "Rule"]

CODES = {code.value[0]: code for code in grpc.StatusCode}
"""Status codes by their numbers."""

ANY_RPC = frozenset(
    {
        grpc.StatusCode.OK,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
    }
)
"""Codes that any RPC may answer; others are listed with the RPC."""

_REASON_ENUM = "catenary.v1.ErrorReason"
_REASON_PREFIX = "ERROR_REASON_"


class Retry(enum.Enum):
    """What a client may do after a failure."""

    NEVER = 1
    AFTER_DELAY = 2
    SAME_REQUEST_ID = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Reason:
    """How one reason of a failure reaches a client. Code OK: in band only."""

    name: str
    code: grpc.StatusCode
    retry: Retry


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """An RPC and what it promises."""

    path: str
    """`/catenary.v1.SessionService/CreateSession`."""
    service: str
    """Full name of the service."""
    name: str
    request: type[Message]
    response: type[Message]
    client_streaming: bool
    server_streaming: bool
    codes: frozenset[grpc.StatusCode]
    """Codes that it declares, besides `ANY_RPC`."""
    idempotent: bool
    reads_only: bool
    """Whether it declares to change nothing."""
    capability: str
    """Empty on the RPC that every server serves."""
    scope: str
    requirements: tuple[str, ...]
    """Ids of the requirements that stand with it, and of those that stand with the fields of its messages."""

    @property
    def full_name(self) -> str:
        """`catenary.v1.SessionService.CreateSession`."""
        return f"{self.service}.{self.name}"

    @property
    def allowed(self) -> frozenset[grpc.StatusCode]:
        """Every code that it may answer."""
        return ANY_RPC | self.codes

    def __str__(self) -> str:
        """The path: what a test of it is named by."""
        return self.path


class Contract:
    """The contract. `Contract.load()` gives the installed one."""

    def __init__(self, content: bytes) -> None:
        self.digest = hashlib.sha256(content).digest()
        """SHA-256 of the image."""
        self._image = Image(content)
        self._validator = Validator(self._image)
        self._import_stubs()
        of_fields = self._field_requirements()
        self.methods: Mapping[str, Method] = {method.path: method for method in self._methods(of_fields)}
        """RPCs by their paths."""
        self.requirements: Mapping[str, Requirement] = self._requirements(of_fields)
        """Requirements by their ids, in the order of ids."""
        self.reasons: Mapping[str, Reason] = {reason.name: reason for reason in self._reasons()}
        """Reasons of failures by their names, without the prefix of the enum."""
        self.capabilities: tuple[str, ...] = tuple(sorted({each.capability for each in self.methods.values()} - {""}))
        self.scopes: tuple[str, ...] = tuple(sorted({each.scope for each in self.methods.values()} - {""}))

    @classmethod
    def load(cls) -> Contract:
        """The contract that is installed; made once."""
        return _load()

    def method(self, name: str) -> Method:
        """The RPC of a path, a full name, or a bare name that only one RPC has.

        Raises:
            KeyError: there is none, or more than one.
        """
        if name in self.methods:
            return self.methods[name]
        found = [each for each in self.methods.values() if name in (each.full_name, each.name)]
        if len(found) != 1:
            raise KeyError(name)
        return found[0]

    def rules(self, message: type[Message] | Descriptor) -> list[Rule]:
        """Every rule that a message of this type can break, those of the messages inside it included."""
        descriptor = message.DESCRIPTOR if isinstance(message, type) else message
        return rules_of(self._image, descriptor.full_name)

    def violations(self, message: Message) -> list[Rule]:
        """The rules that a message breaks, as the reference validator finds them."""
        return self._validator.violations(message.DESCRIPTOR.full_name, message.SerializeToString())

    def _import_stubs(self) -> None:
        """Bring every message of the contract into the pool of the stubs."""
        for file in self._image.files:
            importlib.import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")

    def _methods(self, of_fields: Mapping[str, tuple[Requirement, ...]]) -> Iterator[Method]:
        pool = descriptor_pool.Default()
        for service in self._image.services():
            stub = pool.FindServiceByName(service.name)
            for method, options in service.methods:
                declared: Any = self._image.option(options, METHOD_OPTION)
                described = stub.methods_by_name[method.name]
                messages = _reachable(described.input_type, described.output_type)
                own = tuple(each.id for each in declared.requirement)
                fields = tuple(each.id for name in messages for each in of_fields.get(name, ()))
                yield Method(
                    path=f"/{service.name}/{method.name}",
                    service=service.name,
                    name=method.name,
                    request=GetMessageClass(described.input_type),
                    response=GetMessageClass(described.output_type),
                    client_streaming=method.client_streaming,
                    server_streaming=method.server_streaming,
                    codes=frozenset(CODES[code] for code in declared.codes),
                    idempotent=declared.idempotent,
                    reads_only=method.options.idempotency_level == method.options.NO_SIDE_EFFECTS,
                    capability=declared.capability,
                    scope=declared.scope,
                    requirements=own + fields,
                )

    def _field_requirements(self) -> dict[str, tuple[Requirement, ...]]:
        """Requirements that stand with fields, by the message."""
        found: dict[str, tuple[Requirement, ...]] = {}
        for name, message in self._image.messages():
            for field in message.field:
                declared: Any = self._image.option(field.options, FIELD_OPTION)
                if declared is not None:
                    here = tuple(_requirement(each, f"{name}.{field.name}") for each in declared.requirement)
                    found[name] = found.get(name, ()) + here
        return found

    def _requirements(self, of_fields: Mapping[str, tuple[Requirement, ...]]) -> dict[str, Requirement]:
        found = [requirement for each in of_fields.values() for requirement in each]
        for service in self._image.services():
            for method, options in service.methods:
                declared: Any = self._image.option(options, METHOD_OPTION)
                found += [_requirement(each, f"{service.name}.{method.name}") for each in declared.requirement]
        concerned = {each.id: self._concerned(each.id) for each in found}
        found = [dataclasses.replace(each, methods=concerned[each.id]) for each in found]
        everywhere = tuple(self.methods)
        found += [dataclasses.replace(each, methods=everywhere) for each in GENERAL]
        return {each.id: each for each in sorted(found, key=lambda each: each.id)}

    def _concerned(self, requirement_id: str) -> tuple[str, ...]:
        return tuple(path for path, method in self.methods.items() if requirement_id in method.requirements)

    def _reasons(self) -> Iterator[Reason]:
        for value in self._image.enum(_REASON_ENUM).value:
            declared: Any = self._image.option(value.options, REASON_OPTION)
            if declared is not None:
                name = value.name.removeprefix(_REASON_PREFIX)
                yield Reason(name, CODES[declared.code], Retry(declared.retry))


@functools.cache
def _load() -> Contract:
    return Contract(importlib.resources.files("catenary").joinpath("contract.binpb").read_bytes())


def _requirement(declared: Any, subject: str) -> Requirement:  # noqa: ANN401 - a message of the image's own pool
    return Requirement(declared.id, Level(declared.level), subject, declared.text)


def _reachable(*roots: Descriptor) -> tuple[str, ...]:
    """Full names of the messages that messages of these types can hold, themselves included."""
    found: dict[str, None] = {}
    waiting = list(roots)
    while waiting:
        descriptor = waiting.pop(0)
        if descriptor.full_name not in found:
            found[descriptor.full_name] = None
            waiting += [field.message_type for field in descriptor.fields if field.message_type is not None]
    return tuple(found)
