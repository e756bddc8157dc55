"""A client of the contract that knows nothing but the contract: paths, message classes, statuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

from catenary_server.transport.methods import Method, contract_methods
from catenary_wire.errors import failure_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.protobuf.message import Message

    from catenary_wire.errors import Failure


def method(name: str) -> Method:
    """The RPC of this name; names are unique in the contract."""
    return next(each for each in contract_methods().values() if each.name == name)


class Stream:
    """The answers of one call, read one by one or to the end."""

    def __init__(self, call: Any) -> None:
        self._call = call

    async def read(self) -> Any:
        """The next message."""
        message = await self._call.read()
        if message is grpc.aio.EOF:  # type: ignore[attr-defined] # the stubs leave it out
            raise AssertionError("the stream has ended")
        return message

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (message := await self._call.read()) is not grpc.aio.EOF:  # type: ignore[attr-defined] # the stubs leave it out
            yield message

    def cancel(self) -> None:
        """Leave."""
        self._call.cancel()


class WireClient:
    """Calls RPCs by name over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel

    async def call(self, name: str, seconds: float = 20.0, **fields: Any) -> Any:
        """Answer of a unary RPC."""
        rpc = method(name)
        return rpc.response.FromString(await self.raw(rpc.path, rpc.request(**fields).SerializeToString(), seconds))

    async def raw(self, path: str, request: bytes, seconds: float = 20.0) -> bytes:
        """Answer of a unary RPC, bytes for bytes."""
        answer: bytes = await self.channel.unary_unary(path, None, None)(request, timeout=seconds)
        return answer

    def stream(self, name: str, seconds: float = 20.0, **fields: Any) -> Stream:
        """The call of an RPC that answers in a stream."""
        rpc = method(name)
        open_stream = self.channel.unary_stream(rpc.path, rpc.request.SerializeToString, rpc.response.FromString)
        return Stream(open_stream(rpc.request(**fields), timeout=seconds))

    async def events(self, name: str, **fields: Any) -> list[Any]:
        """Every message of a stream, up to its end."""
        return [message async for message in self.stream(name, **fields)]

    async def failure(self, name: str, **fields: Any) -> Failure:
        """Why an RPC fails; fails itself if it does not."""
        rpc = method(name)
        return await self.raw_failure(rpc.path, rpc.request(**fields))

    async def raw_failure(self, path: str, request: Message | bytes) -> Failure:
        """The same, by path and, if wanted, bytes for bytes."""
        raw = request if isinstance(request, bytes) else request.SerializeToString()
        rpc = contract_methods().get(path)
        try:
            if rpc is not None and rpc.client_streaming:
                try:
                    await self._converse(rpc, raw)
                except grpc.aio.AioRpcError as error:
                    if error.details() != "Internal error from Core":
                        raise
                    # The write met the end of the call, and the library lost its status: refused whatever is sent.
                    await self._converse(rpc, None)
            elif rpc is not None and rpc.server_streaming:
                async for _ in self.channel.unary_stream(path, None, None)(raw, timeout=20.0):
                    pass
            else:
                await self.raw(path, raw)
        except grpc.aio.AioRpcError as error:
            return failure_of(error)
        raise AssertionError(f"{path} answered OK")

    async def _converse(self, rpc: Method, message: bytes | None) -> None:
        kind: Any = self.channel.stream_stream if rpc.server_streaming else self.channel.stream_unary
        call = kind(rpc.path, None, None)(timeout=20.0)
        if message is not None:
            await call.write(message)
        await (call.read() if rpc.server_streaming else call)
