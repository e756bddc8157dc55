"""Messages as bytes on a socket pair, their large payloads beside them in shared memory.

A frame is a 32-bit little-endian length and a pickled `Envelope`; the envelope holds the pickled message. Payloads from
`INLINE_BYTES` on are taken out of the pickle (protocol 5, PEP 574) and lie in one block; a block's descriptor goes with
the first frame that uses it. Only types of the domain and of this protocol cross, in either direction: so an engine
cannot make the front end import torch by answering with a torch number, nor run code there.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import os
import pickle
import struct
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from catenary_server.domain.tensor import Tensor
from catenary_server.runtimes.blocks import Block, IncomingBlocks, OutgoingBlocks, room_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catenary_server.runtimes.messages import Message

INLINE_BYTES = 64 << 10
"""Payloads shorter than this travel in the frame itself."""

MAX_DESCRIPTORS = 253
"""Most descriptors Linux passes in one message (SCM_MAX_FD)."""

RETAINED_BYTES = 384 << 20
"""Free shared memory a side keeps by default: a cube of 300 MB finds warm pages the second time."""

_LENGTH = struct.Struct("<I")
_OURS = ("catenary_server.domain.", "catenary_server.runtimes.messages")
_BUILTINS = frozenset({"bool", "bytearray", "complex", "float", "frozenset", "int", "memoryview", "set"})


class Envelope(NamedTuple):
    """A pickled message, where its payloads lie, and news about blocks."""

    body: bytes
    block: int = 0
    block_size: int = 0
    block_is_new: bool = False
    spans: tuple[tuple[int, int], ...] = ()
    released: tuple[int, ...] = ()
    forgotten: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """A message that is ready to be sent: payloads are copied, their senders may change them again."""

    body: bytes
    block: Block | None = None
    spans: tuple[tuple[int, int], ...] = ()


class Framing:
    """One end of the connection: packs messages into frames and takes frames apart.

    `pack` and `discard` may be called from any thread; `frame` and `feed` from one thread (or under one lock) each.

    Args:
        outgoing: the blocks this end writes.
        incoming: the blocks this end reads.
    """

    def __init__(self, outgoing: OutgoingBlocks, incoming: IncomingBlocks) -> None:
        self.outgoing = outgoing
        self.incoming = incoming
        self._received = bytearray()
        self._descriptors: list[int] = []

    def pack(self, message: Message, reserved: Block | None = None) -> Parcel:
        """Pickle a message and copy its payloads to shared memory, unless they lie in a reserved block already.

        The parcel has the reserved block then, or the block is free again if all payloads are short.

        Raises:
            TypeError: the message holds a type that does not cross the border.
            Failure: OVERLOADED if there is no memory for the payloads.
        """
        stream, payloads = io.BytesIO(), _Payloads()
        _Pickler(stream, protocol=5, buffer_callback=payloads.keep_inline).dump(message)
        if reserved is not None:
            return self._pack_reserved(stream.getvalue(), payloads.views, reserved)
        if not payloads.views:
            return Parcel(stream.getvalue())
        block = self.outgoing.lease(room_for(view.nbytes for view in payloads.views))
        return Parcel(stream.getvalue(), block, block.fill(payloads.views))

    def _pack_reserved(self, body: bytes, payloads: list[memoryview], reserved: Block) -> Parcel:
        if payloads:
            return Parcel(body, reserved, reserved.spans_of(payloads))
        self.outgoing.take_back((reserved.number,))
        return Parcel(body)

    def discard(self, parcel: Parcel) -> None:
        """Take the block of a parcel back that will not be sent."""
        if parcel.block is not None:
            self.outgoing.take_back((parcel.block.number,))

    def frame(self, parcel: Parcel) -> tuple[bytes, tuple[int, ...]]:
        """The bytes to send, and the descriptors to send with the first of them; `sent` must follow."""
        block = parcel.block
        descriptors = () if block is None or block.descriptor is None else (block.descriptor,)
        envelope = Envelope(
            parcel.body,
            block=0 if block is None else block.number,
            block_size=0 if block is None else block.size,
            block_is_new=bool(descriptors),
            spans=parcel.spans,
            released=self.incoming.take_released(),
            forgotten=self.outgoing.take_forgotten(),
        )
        content = pickle.dumps(tuple(envelope), protocol=5)
        return _LENGTH.pack(len(content)) + content, descriptors

    @staticmethod
    def sent(parcel: Parcel) -> None:
        """The descriptors of a parcel have left: close ours."""
        if parcel.block is not None:
            parcel.block.close_descriptor()

    def feed(self, received: bytes, descriptors: Sequence[int]) -> Iterator[Message]:
        """Messages that are complete with these bytes. Their payloads are views of shared memory.

        Raises:
            pickle.UnpicklingError: the other side sent a type that does not cross the border.
        """
        self._received += received
        self._descriptors.extend(descriptors)
        while len(self._received) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._received)[0]
            if len(self._received) < end:
                return
            content = bytes(memoryview(self._received)[_LENGTH.size : end])
            del self._received[:end]
            yield self._open(Envelope(*_Unpickler(io.BytesIO(content)).load()))

    def close(self) -> None:
        """The connection is gone: give up all blocks. Views that a caller holds stay valid."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors.clear()
        self.outgoing.close()

    def _open(self, envelope: Envelope) -> Message:
        self.outgoing.take_back(envelope.released)
        self.incoming.forget(envelope.forgotten)
        if envelope.block_is_new:
            self.incoming.add(envelope.block, envelope.block_size, self._descriptors.pop(0))
        views = self.incoming.views(envelope.block, envelope.spans) if envelope.block else ()
        return cast("Message", _Unpickler(io.BytesIO(envelope.body), buffers=views).load())


class _Payloads:
    """Sorts payloads: short ones stay in the pickle, long ones are collected for a block."""

    def __init__(self) -> None:
        self.views: list[memoryview] = []

    def keep_inline(self, buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < INLINE_BYTES:
            return True
        self.views.append(view)
        return False


class _Pickler(pickle.Pickler):
    """Pickles what may cross the border, tensors and bytes with their payloads beside them."""

    def reducer_override(self, obj: object) -> Any:  # noqa: ANN401 - the reduce protocol has no shorter type
        if isinstance(obj, Tensor):
            return Tensor, (obj.dtype, obj.shape, pickle.PickleBuffer(obj.data))
        if isinstance(obj, memoryview):
            return memoryview, (pickle.PickleBuffer(obj),)
        if isinstance(obj, np.generic):
            value = obj.item()
            return type(value), (value,)
        kind = obj if isinstance(obj, type) else type(obj)
        if not _crosses(getattr(obj, "__module__", kind.__module__) or "", kind.__qualname__):
            raise TypeError(f"{kind.__module__}.{kind.__qualname__} does not cross between worker and front end")
        names = _positions(kind) if kind is not obj else ()
        return (kind, tuple(getattr(obj, name) for name in names)) if names else NotImplemented


class _Unpickler(pickle.Unpickler):
    """Refuses types that may not cross the border."""

    def find_class(self, module: str, name: str) -> object:
        if not _crosses(module, name):
            raise pickle.UnpicklingError(f"{module}.{name} does not cross between worker and front end")
        return super().find_class(module, name)


@functools.cache
def _positions(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass that is made of them in this order, which is sooner done than to restore its state."""
    if not dataclasses.is_dataclass(kind) or "__reduce__" in vars(kind):
        return ()
    fields = dataclasses.fields(kind)
    return tuple(field.name for field in fields) if all(field.init and not field.kw_only for field in fields) else ()


def _crosses(module: str, name: str) -> bool:
    return module.startswith(_OURS) or (module == "builtins" and name in _BUILTINS)
