"""What stands around every servicer method: checks before it, encoding and failures after it.

The order of checks: draining, authentication, room for the call, size, decoding, field rules. What follows, the
session, its state and its quotas, is the application's.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar, cast

import grpc

from catenary_server.domain.failure import Failure, Reason
from catenary_server.transport.call import Call, Part
from catenary_server.transport.context import Arrived
from catenary_server.transport.interceptors.decoding import decode, encode
from catenary_server.transport.interceptors.failures import incident, refuse
from catenary_server.transport.interceptors.screening import Screen
from catenary_server.transport.interceptors.sizes import check_size
from catenary_wire.payloads import Payloads

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping

    from google.protobuf.message import Message

    from catenary_server.transport.context import Body, Context
    from catenary_server.transport.interceptors.admission import Admission
    from catenary_server.transport.interceptors.authentication import Authenticator, Identity
    from catenary_server.transport.interceptors.draining import Drain
    from catenary_server.transport.interceptors.idempotency import Attempts
    from catenary_server.transport.interceptors.rules import FieldRules
    from catenary_server.transport.methods import Method
    from catenary_server.transport.routes import DuplexHandler, Route, StreamHandler, UnaryHandler, UploadHandler
    from catenary_server.transport.settings import MessageSizes

    UnaryBehaviour = Callable[[Body, Context], Awaitable[bytes]]
    StreamBehaviour = Callable[[bytes, Context], Awaitable[None]]

T = TypeVar("T")

_KINDS = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a client of another service than ours wants to be answered."""

    prefix: bytes = b""
    """Fields in front of every response."""
    failure_response: Callable[[Failure], bytes] | None = None
    """The response that tells a failure of the work, for an RPC that does not answer it with a status."""


CONTRACT = Dialect()
"""Answers as the contract has them."""


@dataclasses.dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and what the headers of the call say."""

    principal: str
    metadata: Mapping[str, str | bytes]
    time_remaining: Callable[[], float | None]
    local: bool

    def call(self, received: Payloads | None = None) -> Call:
        """The call, as a servicer method learns of it."""
        return Call(
            principal=self.principal,
            metadata=self.metadata,
            time_remaining=self.time_remaining,
            local=self.local,
            received=Payloads() if received is None else received,
        )


class Guard:
    """Puts the checks around the handlers of routes, for gRPC (`handler`) and other wires (`unary`, `stream`).

    What it makes takes and gives raw bytes: nothing is parsed before its sender is known.
    """

    def __init__(
        self,
        *,
        sizes: MessageSizes,
        authenticator: Authenticator,
        admission: Admission,
        rules: FieldRules,
        drain: Drain,
        attempts: Attempts,
    ) -> None:
        self._sizes = sizes
        self._authenticator = authenticator
        self._admission = admission
        self._rules = rules
        self._drain = drain
        self._attempts = attempts
        self._demands: dict[str, Method] = {}

    def demand(self, path: str, method: Method) -> None:
        """Let those call `path` who may call `method`."""
        self._demands[path] = method

    def screened(self, handlers: Iterable[grpc.GenericRpcHandler[bytes, bytes]]) -> Screen:
        """Handlers that do not take in the request of somebody who may not call them."""
        return Screen(handlers, self._demands, self._authenticator)

    def handler(self, route: Route, path: str, dialect: Dialect = CONTRACT) -> grpc.RpcMethodHandler[bytes, bytes]:
        """The handler of a route for clients that call it by `path`."""
        method = route.method
        self.demand(path, method)
        behaviour: Any
        if not method.client_streaming:
            behaviour = self.stream(route, path) if method.server_streaming else self._arrived(route, path, dialect)
        elif route.handler is None:
            behaviour = self._absent(method, path)
        elif method.server_streaming:
            behaviour = self._duplex(method, cast("DuplexHandler", route.handler), path)
        else:
            behaviour = self._upload(method, cast("UploadHandler", route.handler), path)
        return _KINDS[method.client_streaming, method.server_streaming](behaviour)

    def unary(self, route: Route, path: str, dialect: Dialect = CONTRACT) -> UnaryBehaviour:
        """What answers a unary RPC. The body is read when its sender may call and there is room for it."""
        if route.handler is None:
            return self._absent(route.method, path)
        return self._unary(route.method, cast("UnaryHandler", route.handler), path, dialect)

    def stream(self, route: Route, path: str) -> StreamBehaviour:
        """What answers an RPC that streams its responses; they go to `Context.write`."""
        if route.handler is None:
            return self._absent(route.method, path)
        return self._stream(route.method, cast("StreamHandler", route.handler), path)

    def identify(self, metadata: Mapping[str, str | bytes]) -> Identity:
        """Who sends these headers, before it is known what for.

        Raises:
            Failure: TOKEN_MISSING, TOKEN_INVALID, TOKEN_EXPIRED.
        """
        return self._authenticator.identify(metadata)

    def _absent(self, method: Method, path: str) -> Callable[[object, Context], Awaitable[Any]]:
        async def refuse_all(_caller: Caller) -> None:
            raise Failure(
                Reason.FEATURE_DISABLED, f"this server does not serve {method.name}; GetServerInfo says what it serves"
            )

        async def handle(_request: object, context: Context) -> None:
            await self._guarded(method, context, path, refuse_all)

        return handle

    def _arrived(self, route: Route, path: str, dialect: Dialect) -> Callable[[bytes, Context], Awaitable[bytes]]:
        behaviour = self.unary(route, path, dialect)

        async def handle(raw: bytes, context: Context) -> bytes:
            return await behaviour(Arrived(raw), context)

        return handle

    def _unary(self, method: Method, handler: UnaryHandler, path: str, dialect: Dialect) -> UnaryBehaviour:
        async def respond(request: Message, call: Call) -> bytes:
            try:
                response = await handler(request, call)
            except Failure as failure:
                if dialect.failure_response is None:
                    raise
                return dialect.failure_response(failure)
            return dialect.prefix + self._encoded(method, response, call)

        async def answer(body: Body, caller: Caller) -> bytes:
            with self._admission.memory(body.size):
                check_size(method, body.size, self._sizes)
                request, call = self._admitted(method, await body.read(), caller)
                return await self._attempts.once(method, call.principal, request, lambda: respond(request, call))

        async def handle(body: Body, context: Context) -> bytes:
            return await self._guarded(method, context, path, lambda caller: answer(body, caller))

        return handle

    def _stream(self, method: Method, handler: StreamHandler, path: str) -> StreamBehaviour:
        async def answer(raw: bytes, context: Context, caller: Caller) -> None:
            check_size(method, len(raw), self._sizes)
            request, call = self._admitted(method, raw, caller)
            async with contextlib.aclosing(handler(request, call)) as responses:
                async for response in responses:
                    await context.write(self._encoded(method, response, call))

        async def handle(raw: bytes, context: Context) -> None:
            await self._guarded(method, context, path, lambda caller: answer(raw, context, caller))

        return handle

    def _duplex(
        self, method: Method, handler: DuplexHandler, path: str
    ) -> Callable[[AsyncIterator[bytes], Context], Awaitable[None]]:
        async def answer(messages: AsyncIterator[bytes], context: Context, caller: Caller) -> None:
            accepting: list[asyncio.Future[None]] = []

            async def accept() -> None:
                accepting.append(asyncio.ensure_future(context.send_initial_metadata(())))
                await asyncio.shield(accepting[0])

            call = dataclasses.replace(caller.call(), accept=accept)
            try:
                async with contextlib.aclosing(handler(self._sized(method, messages), call)) as responses:
                    async for response in responses:
                        await context.write(response)
            finally:
                # A status may not overtake it, also when the handler was interrupted in between.
                await asyncio.gather(*accepting, return_exceptions=True)

        async def handle(messages: AsyncIterator[bytes], context: Context) -> None:
            await self._guarded(method, context, path, lambda caller: answer(messages, context, caller))

        return handle

    def _upload(
        self, method: Method, handler: UploadHandler, path: str
    ) -> Callable[[AsyncIterator[bytes], Context], Awaitable[bytes]]:
        async def answer(messages: AsyncIterator[bytes], caller: Caller) -> bytes:
            call = caller.call()
            async with contextlib.aclosing(self._decoded(method, messages)) as parts:
                return self._encoded(method, await handler(parts, call), call)

        async def handle(messages: AsyncIterator[bytes], context: Context) -> bytes:
            return await self._guarded(method, context, path, lambda caller: answer(messages, caller))

        return handle

    async def _decoded(self, method: Method, messages: AsyncIterator[bytes]) -> AsyncGenerator[Part, None]:
        async for raw in self._sized(method, messages):
            message, received = decode(method, raw)
            self._check_rules(method, message, raw)
            yield Part(message, received)

    async def _sized(self, method: Method, messages: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        async for raw in messages:
            check_size(method, len(raw), self._sizes)
            with self._admission.memory(len(raw)):
                yield raw

    async def _guarded(self, method: Method, context: Context, path: str, work: Callable[[Caller], Awaitable[T]]) -> T:
        """Do the work of a call; what it raises becomes the call's status. Cancellation passes."""
        try:
            with self._drain.admitted():
                caller = self._authenticated(method, context)
                with self._admission.call(method, caller.principal):
                    return await work(caller)
        except Failure as failure:
            await refuse(context, failure, path)
        except Exception as bug:  # noqa: BLE001 - the boundary: nothing of a defect may reach the client
            await refuse(context, incident(bug, path), path)

    def _admitted(self, method: Method, raw: bytes, caller: Caller) -> tuple[Message, Call]:
        request, received = decode(method, raw)
        self._check_rules(method, request, raw)
        return request, caller.call(received)

    def _check_rules(self, method: Method, message: Message, raw: bytes) -> None:
        self._rules.check(message.DESCRIPTOR.full_name, message.SerializeToString() if method.takes_payloads else raw)

    def _authenticated(self, method: Method, context: Context) -> Caller:
        metadata: dict[str, str | bytes] = dict(context.invocation_metadata() or ())
        principal = self._authenticator.authenticate(method, metadata)
        return Caller(principal, metadata, context.time_remaining, local=context.peer().startswith("unix:"))

    def _encoded(self, method: Method, response: Message | bytes, call: Call) -> bytes:
        data = response if isinstance(response, bytes) else encode(method, response, call.given)
        check_size(method, len(data), self._sizes)
        return data
