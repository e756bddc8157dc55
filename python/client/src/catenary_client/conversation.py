"""Two-way streams: messages go out while answers come in."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import grpc

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

GO_AHEAD_SECONDS: Final = 0.5
"""How long the second message waits for the server to accept the first; one that never says so is sent it then."""

_CUT_OFF: Final = "Internal error from Core"
"""What the runtime says when a message meets the end of the call; the server's own status is lost then."""


async def converse(
    call: grpc.aio.StreamStreamCall[bytes, bytes], messages: AsyncIterator[bytes], *, listen_first: bool = False
) -> AsyncGenerator[bytes, None]:
    """Send the messages, half-close, and give the answers meanwhile. Leaving it cancels the call.

    The runtime loses the server's status if a message is being sent as it comes. So the first message, which is the one
    that servers refuse, goes alone until the server has accepted it. A later loss is told as what it is to the sender,
    a broken connection: what may be sent again meets the refusal then.

    Args:
        call: the call, of which nothing was sent or read.
        messages: what to send.
        listen_first: send nothing until the server has had time to refuse the call itself, for a repetition of a call
            whose status was lost.

    Raises:
        grpc.RpcError: the status of the server; UNAVAILABLE if it is lost.
        Exception: what the messages raise.
    """
    sending = asyncio.create_task(_send(call, messages, listen_first=listen_first))
    sending.add_done_callback(lambda _: call.cancel() if _broke(sending) else None)
    try:
        while (answer := await _read(call)) is not None:
            yield answer
    except asyncio.CancelledError:
        if _broke(sending):
            sending.result()
        raise
    finally:
        sending.cancel()
        call.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _send(
    call: grpc.aio.StreamStreamCall[bytes, bytes], messages: AsyncIterator[bytes], *, listen_first: bool
) -> None:
    if listen_first:
        await _accepted(call)
    first = True
    async for message in messages:
        if call.done():
            return
        try:
            await call.write(message)
        except (grpc.RpcError, asyncio.InvalidStateError):
            return  # the call is over: whoever reads learns how
        if first:
            await _accepted(call)
            first = False
    if not call.done():
        await call.done_writing()


async def _accepted(call: grpc.aio.StreamStreamCall[bytes, bytes]) -> None:
    """Wait until the server says something, be it only that it will."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GO_AHEAD_SECONDS):
            await call.initial_metadata()


async def _read(call: grpc.aio.StreamStreamCall[bytes, bytes]) -> bytes | None:
    end: Any = grpc.aio.EOF  # type: ignore[attr-defined] # the stubs leave it out
    try:
        answer: Any = await call.read()
    except grpc.aio.AioRpcError as error:
        if error.details() != _CUT_OFF:
            raise
        message = "the server ended the call while it was being sent to"
        raise grpc.aio.AioRpcError(
            grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), message, None
        ) from error
    return None if answer is end else bytes(answer)


def _broke(sending: asyncio.Task[None]) -> bool:
    return sending.done() and not sending.cancelled() and sending.exception() is not None
