"""What a version of the contract promises, taken out of its image into plain values that can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, MethodOptions

from catenary_tools import image as images
from catenary_tools.image import Image, enum_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from google.protobuf.descriptor_pb2 import DescriptorProto, MethodDescriptorProto
    from google.protobuf.message import Message

_STREAM_KINDS = {
    (False, False): "unary",
    (False, True): "server stream",
    (True, False): "client stream",
    (True, True): "bidirectional stream",
}
_FREEDOM = ("RETRY_UNSPECIFIED", "RETRY_NEVER", "RETRY_SAME_REQUEST_ID", "RETRY_AFTER_DELAY")


@dataclass(frozen=True, kw_only=True)
class MethodFacts:
    """What one RPC promises."""

    stream_kind: str
    codes: frozenset[str]
    capability: str
    scope: str
    idempotent: bool
    no_side_effects: bool


@dataclass(frozen=True, kw_only=True)
class FieldFacts:
    """The rules of one field; None where it has none."""

    name: str
    rules: Message | None
    has_presence: bool


@dataclass(frozen=True, kw_only=True)
class MessageFacts:
    """The rules of one message: of itself, of its oneofs by name, of its fields by number."""

    rules: Message | None
    oneofs: Mapping[str, Message | None]
    fields: Mapping[int, FieldFacts]


@dataclass(frozen=True, kw_only=True)
class RequirementFacts:
    """One normative sentence."""

    level: str
    text: str

    @property
    def is_must(self) -> bool:
        """Whether a server that breaks it does not conform."""
        return self.level == "LEVEL_MUST"


@dataclass(frozen=True, kw_only=True)
class ReasonFacts:
    """How one reason is answered."""

    code: str
    retry: str

    @property
    def freedom(self) -> int:
        """How freely a client may retry; the greater, the freer."""
        return _FREEDOM.index(self.retry)


@dataclass(frozen=True, kw_only=True)
class ContractFacts:
    """All promises of one version, by full name; requirements by id, reasons by value name.

    ``request_messages`` and ``response_messages`` are the names of all messages that can occur, at any depth, in what
    a client or a server sends.
    """

    methods: Mapping[str, MethodFacts]
    messages: Mapping[str, MessageFacts]
    requirements: Mapping[str, RequirementFacts]
    reasons: Mapping[str, ReasonFacts]
    request_messages: frozenset[str]
    response_messages: frozenset[str]

    @classmethod
    def from_image(cls, content: bytes) -> ContractFacts:
        """Read the promises out of an image, as ``buf build`` writes it."""
        image = Image(content)
        methods, messages = dict(image.methods()), dict(image.messages())
        return cls(
            methods={name: _method(image, method) for name, method in methods.items()},
            messages={name: _message(image, message) for name, message in messages.items()},
            requirements=dict(_requirements(image)),
            reasons=dict(_reasons(image)),
            request_messages=_reachable(messages, (method.input_type for method in methods.values())),
            response_messages=_reachable(messages, (method.output_type for method in methods.values())),
        )


def _method(image: Image, method: MethodDescriptorProto) -> MethodFacts:
    contract: Any = image.option(method.options, images.METHOD_OPTION)
    return MethodFacts(
        stream_kind=_STREAM_KINDS[method.client_streaming, method.server_streaming],
        codes=frozenset(enum_name(contract, "codes", code) for code in contract.codes) if contract else frozenset(),
        capability=contract.capability if contract else "",
        scope=contract.scope if contract else "",
        idempotent=bool(contract and contract.idempotent),
        no_side_effects=method.options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS,
    )


def _message(image: Image, message: DescriptorProto) -> MessageFacts:
    return MessageFacts(
        rules=image.option(message.options, images.MESSAGE_RULES),
        oneofs={oneof.name: image.option(oneof.options, images.ONEOF_RULES) for oneof in message.oneof_decl},
        fields={
            field.number: FieldFacts(
                name=field.name,
                rules=image.option(field.options, images.FIELD_RULES),
                has_presence=_has_presence(field),
            )
            for field in message.field
        },
    )


def _has_presence(field: FieldDescriptorProto) -> bool:
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return False
    return field.type == FieldDescriptorProto.TYPE_MESSAGE or field.HasField("oneof_index")


def _requirements(image: Image) -> Iterator[tuple[str, RequirementFacts]]:
    contracts: list[Any] = [image.option(method.options, images.METHOD_OPTION) for _, method in image.methods()]
    for _, message in image.messages():
        contracts += [image.option(field.options, images.FIELD_OPTION) for field in message.field]
    for contract in filter(None, contracts):
        for requirement in contract.requirement:
            level = enum_name(requirement, "level", requirement.level)
            yield requirement.id, RequirementFacts(level=level, text=requirement.text)


def _reasons(image: Image) -> Iterator[tuple[str, ReasonFacts]]:
    for _, enum in image.enums():
        for value in enum.value:
            contract: Any = image.option(value.options, images.REASON_OPTION)
            if contract is not None:
                code = enum_name(contract, "code", contract.code)
                yield value.name, ReasonFacts(code=code, retry=enum_name(contract, "retry", contract.retry))


def _reachable(messages: Mapping[str, DescriptorProto], roots: Iterable[str]) -> frozenset[str]:
    waiting, seen = [root.removeprefix(".") for root in roots], set[str]()
    while waiting:
        name = waiting.pop()
        if name in messages and name not in seen:
            seen.add(name)
            waiting += [field.type_name.removeprefix(".") for field in messages[name].field if field.type_name]
    return frozenset(seen)
