"""Messages with large payloads, to and from bytes, without copying what is large.

Protobuf copies a bytes field when it parses, whenever the field is read, when it is set and when it is serialised.
Here a message is taken apart instead: `split` copies everything but the payloads into a small skeleton, in which a
ticket of four bytes stands for each payload, and lets protobuf parse that. Order of fields, unknown fields, merged
submessages, map entries and the last of several values are therefore protobuf's own business. `join` goes the same way
back.

Payload fields are those of `PAYLOAD_FIELDS`, wherever they occur in a message.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from google.protobuf.message import DecodeError, Message

from catenary.v1 import tensor_pb2
from catenary_wire import fields, tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from numpy.typing import NDArray
    from typing_extensions import Buffer

MessageT = TypeVar("MessageT", bound=Message)

PAYLOAD_FIELDS = frozenset(
    {
        "catenary.v1.Tensor.raw_data",
        "catenary.v1.TensorChunk.data",
        "catenary.v1.LoadPipelineWeightsRequest.weights_bytes",
        "catenary.v1.FileChunk.content",
    }
)
"""Full names of the bytes fields that are never copied by `split`, and only once by `join`."""

MAX_FIELDS = 65_536
"""Fields that `split` walks over before it refuses a message: each costs a microsecond, an honest one has hundreds."""

_TICKET_BYTES = 4


class Payloads:
    """The payloads of one message, each behind the ticket that stands for it in the message's bytes fields."""

    def __init__(self) -> None:
        self._views: list[memoryview] = []

    def __len__(self) -> int:
        return len(self._views)

    def hold(self, data: Buffer) -> bytes:
        """Keep a payload, without a copy; the ticket returned goes into the message's field."""
        self._views.append(memoryview(data).cast("B"))
        return (len(self._views) - 1).to_bytes(_TICKET_BYTES, "little")

    def view(self, ticket: bytes) -> memoryview:
        """The payload behind the value of a payload field; empty for a field that was not set.

        Raises:
            ValueError: the value is no ticket of these payloads.
        """
        if not ticket:
            return memoryview(b"")
        index = int.from_bytes(ticket, "little")
        if len(ticket) != _TICKET_BYTES or index >= len(self._views):
            raise ValueError("the field holds no ticket of these payloads")
        return self._views[index]

    def tensor(self, array: tensors.ArrayLike) -> tensor_pb2.Tensor:
        """A message for an array whose elements stay where they are until `join`.

        Raises:
            TypeError, ValueError: as `tensors.to_proto`.
        """
        values = tensors.contiguous(array)
        tensors.check_rank(values.shape)
        ticket = self.hold(values.reshape(-1).view("u1").data)
        return tensor_pb2.Tensor(shape=values.shape, dtype=tensors.dtype_number(values.dtype), raw_data=ticket)

    def array(self, tensor: tensor_pb2.Tensor) -> NDArray[Any]:
        """The elements of a tensor of the message as a read-only view.

        Raises:
            ValueError: as `tensors.to_numpy`.
        """
        if tensor.WhichOneof("payload") == "shm_ref":
            raise ValueError("the elements are in shared memory, not in the message")
        return tensors.array_of(self.view(tensor.raw_data), tensor.dtype, tensor.shape)


def split(message_type: type[MessageT], data: Buffer) -> tuple[MessageT, Payloads]:
    """Parse a message whose payload fields become tickets for views of `data`.

    Takes every encoding that protobuf takes, up to `MAX_FIELDS` fields.

    Raises:
        ValueError: the bytes are no message of this type.
    """
    payloads = Payloads()
    taking = _Rewriting(payloads.hold, MAX_FIELDS)
    skeleton = b"".join(
        taking.rewrite(memoryview(data).cast("B").toreadonly(), _layout(message_type.DESCRIPTOR)).pieces
    )
    message = message_type()
    try:
        message.ParseFromString(skeleton)
    except DecodeError as error:
        raise ValueError(f"the bytes are no {message_type.DESCRIPTOR.full_name}: {error}") from error
    return message, payloads


def join(message: Message, payloads: Payloads) -> bytes:
    """Serialise a message with the payloads in the place of their tickets; each payload is copied once.

    Raises:
        ValueError: a payload field holds something other than a ticket.
    """
    skeleton = message.SerializeToString(deterministic=True)
    putting = _Rewriting(lambda ticket: payloads.view(bytes(ticket)), None)
    return b"".join(putting.rewrite(memoryview(skeleton), _layout(message.DESCRIPTOR)).pieces)


class _Layout(NamedTuple):
    """Where payloads are below a message: the payload fields, and the submessages that lead to others, by number."""

    payloads: frozenset[int]
    children: dict[int, _Layout]


@functools.cache
def _layout(descriptor: Descriptor) -> _Layout:
    """The layout of a message type. Types that contain themselves would not end; those of the contract do not."""
    layouts = {field.number: _layout(field.message_type) for field in _submessages(descriptor)}
    return _Layout(
        payloads=frozenset(field.number for field in descriptor.fields if field.full_name in PAYLOAD_FIELDS),
        children={number: layout for number, layout in layouts.items() if layout.payloads or layout.children},
    )


def _submessages(descriptor: Descriptor) -> Iterator[FieldDescriptor]:
    package = descriptor.file.package
    for field in descriptor.fields:
        if field.message_type is not None and field.message_type.file.package == package:
            yield field


class _Rewritten(NamedTuple):
    """Pieces of a message in order, and how long they are together."""

    pieces: list[bytes | memoryview]
    size: int


class _Rewriting:
    """One pass over a message that exchanges the content of payload fields and leaves every other byte as it is."""

    def __init__(self, exchange: Callable[[memoryview], bytes | memoryview], max_fields: int | None) -> None:
        self._exchange = exchange
        self._remaining = max_fields

    def rewrite(self, data: memoryview, layout: _Layout) -> _Rewritten:
        """The message with exchanged payloads, as pieces that share the memory of `data` wherever they can."""
        pieces: list[bytes | memoryview] = []
        size = copied = 0
        for field in fields.scan(data):
            self._count()
            content = self._content(data, field, layout)
            if content is None:
                continue
            head = fields.header(field.number, content.size)
            pieces += [data[copied : field.start], head, *content.pieces]
            size += field.start - copied + len(head) + content.size
            copied = field.end
        pieces.append(data[copied:])
        return _Rewritten(pieces, size + len(data) - copied)

    def _content(self, data: memoryview, field: fields.Field, layout: _Layout) -> _Rewritten | None:
        """What the field will hold; None when it stays as it is."""
        if field.wire_type != fields.LENGTH_DELIMITED:
            return None
        if field.number in layout.payloads:
            exchanged = self._exchange(data[field.content : field.end])
            return _Rewritten([exchanged], len(exchanged))
        child = layout.children.get(field.number)
        return None if child is None else self.rewrite(data[field.content : field.end], child)

    def _count(self) -> None:
        if self._remaining is None:
            return
        self._remaining -= 1
        if self._remaining < 0:
            raise ValueError(f"the message has more than {MAX_FIELDS} fields")
