"""One way for every call: deadline, retries as the contract allows them, failures as exceptions."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
import uuid
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import grpc
from google.protobuf.message import Message

from catenary.contract.v1 import options_pb2
from catenary_client.connection import connection_help
from catenary_client.errors import error_for
from catenary_wire import names
from catenary_wire.errors import CONNECTION_FAILED, Failure, failure_of
from catenary_wire.reasons import Retry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from catenary_client.retry import RetryPolicy

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)
AnswerT = TypeVar("AnswerT")

REQUEST_ID = "request_id"
"""The field that makes sending a request again safe, in every request that has one."""

log = logging.getLogger(__name__)


class Rpc(NamedTuple):
    """What a client needs to know about an RPC."""

    path: str
    idempotent: bool


class Caller:
    """Makes the calls of one client.

    Args:
        address: the server, for messages.
        policy: how to retry.
        timeout: seconds for a call, all its attempts together; None waits for ever. Streams have no deadline.
        token: sent as bearer token when it is not empty.
        encrypted: whether the connection is, for messages.
    """

    def __init__(
        self, *, address: str, policy: RetryPolicy, timeout: float | None, token: str = "", encrypted: bool = False
    ) -> None:
        self.address = address
        self.encrypted = encrypted
        self.policy = policy
        self.timeout = timeout
        self.metadata: tuple[tuple[str, str], ...] = (("authorization", f"Bearer {token}"),) if token else ()

    async def unary(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT],
        request: RequestT,
        *,
        within: float | None = None,
    ) -> ResponseT:
        """Send a request until it is answered or may not be sent again; fills an empty `request_id`.

        `within` are the seconds for it, in place of the client's.

        Raises:
            CatenaryError: of the class that the reason belongs to.
        """
        identify(request)
        rpc = rpc_of(type(request))

        async def attempt(remaining: float | None) -> ResponseT:
            return await method(request, timeout=remaining, metadata=self.metadata)

        return await self.attempts(rpc, attempt, within=within)

    async def attempts(
        self, rpc: Rpc, attempt: Callable[[float | None], Awaitable[AnswerT]], *, within: float | None = None
    ) -> AnswerT:
        """Await an attempt until one succeeds or no further one is allowed; it is given the seconds that are left.

        Raises:
            CatenaryError: of the last attempt.
        """
        timeout = self.timeout if within is None else within
        deadline = None if timeout is None else time.monotonic() + timeout
        number = 1
        while True:
            try:
                return await attempt(None if deadline is None else max(0.0, deadline - time.monotonic()))
            except grpc.RpcError as error:
                failure = self.explained(failure_of(error))
                await self.pause(rpc, failure, number, deadline)
                number += 1

    async def stream(
        self, method: grpc.aio.UnaryStreamMultiCallable[RequestT, ResponseT], request: RequestT
    ) -> AsyncIterator[ResponseT]:
        """The messages of a server's stream. Leaving it early cancels the call.

        Raises:
            CatenaryError: the stream ended with a status; nothing is sent again.
        """
        call = method(request, metadata=self.metadata)
        try:
            async for message in call:
                yield message
        except grpc.RpcError as error:
            raise error_for(self.explained(failure_of(error)), rpc_of(type(request)).path) from error
        finally:
            call.cancel()

    async def pause(self, rpc: Rpc, failure: Failure, attempt: int, deadline: float | None = None) -> None:
        """Wait before the next attempt.

        Raises:
            CatenaryError: the failure, when nothing may or can be sent again.
        """
        delay = self.policy.delay(attempt, failure.retry_after)
        late = deadline is not None and time.monotonic() + delay > deadline
        if attempt >= self.policy.attempts or late or not may_retry(rpc, failure):
            raise error_for(failure, rpc.path)
        log.warning(
            "%s failed with %s, attempt %d of %d; sending it again in %.1f s",
            rpc.path.rpartition("/")[2],
            failure.reason,
            attempt,
            self.policy.attempts,
            delay,
        )
        await asyncio.sleep(delay)

    def explained(self, failure: Failure) -> Failure:
        """The failure, with words of help where only the runtime's own are there."""
        if failure.reason != CONNECTION_FAILED:
            return failure
        text = connection_help(self.address, failure.message, encrypted=self.encrypted)
        return Failure(reason=failure.reason, code=failure.code, message=text, retry=failure.retry)


def may_retry(rpc: Rpc, failure: Failure) -> bool:
    """Whether the contract allows to send the request again after this failure."""
    return failure.retry is Retry.AFTER_DELAY or (failure.retry is Retry.SAME_REQUEST_ID and rpc.idempotent)


def identify(request: Message) -> None:
    """Give a request an id of its own where it can have one, so that sending it again has its effect once."""
    field = request.DESCRIPTOR.fields_by_name.get(REQUEST_ID)
    # One of several keys is how to find something, and makes nothing.
    if field is not None and field.containing_oneof is None and not getattr(request, REQUEST_ID):
        setattr(request, REQUEST_ID, uuid.uuid4().hex)


def rpc_of(request_type: type[Message]) -> Rpc:
    """The RPC that a type of request belongs to; the contract has one type for each."""
    return _rpcs()[request_type.DESCRIPTOR.full_name]


@functools.cache
def _rpcs() -> dict[str, Rpc]:
    rpcs = {}
    for service in names.services():
        for method in service.methods:
            option = method.GetOptions().Extensions[options_pb2.method]
            # With an id of its own, a request may be sent again whatever the RPC does.
            identified = REQUEST_ID in method.input_type.fields_by_name
            rpcs[method.input_type.full_name] = Rpc(names.path_of(method), option.idempotent or identified)
    return rpcs
