"""Refuses callers by the headers of their call, before the server takes in what they send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

from catenary_server.domain.failure import Failure
from catenary_server.transport.interceptors.failures import refuse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from grpc.aio import ServicerContext

    from catenary_server.transport.interceptors.authentication import Authenticator
    from catenary_server.transport.methods import Method


class Screen(grpc.GenericRpcHandler):  # type: ignore[type-arg] # generic in the stubs only
    """Handlers whose callers are asked who they are when the headers are there and the request is not.

    The runtime reads a request to its end before it calls the handler of a unary RPC, so that without this anyone could
    make the server hold messages of the largest size. A refused call is answered as a stream, whose first message
    nobody reads.

    Args:
        handlers: what answers those who may call; the first that knows a path does.
        methods: by path, the RPC whose scope a caller must have.
        authenticator: knows the callers.
    """

    def __init__(
        self,
        handlers: Iterable[grpc.GenericRpcHandler[Any, Any]],
        methods: Mapping[str, Method],
        authenticator: Authenticator,
    ) -> None:
        self._handlers = tuple(handlers)
        self._methods = methods
        self._authenticator = authenticator

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler of a call, or one that refuses it."""
        path = handler_call_details.method
        method = self._methods.get(path)
        if method is not None:
            try:
                self._authenticator.authenticate(method, dict(handler_call_details.invocation_metadata))
            except Failure as failure:
                return _refusing(failure, path)
        found = (handlers.service(handler_call_details) for handlers in self._handlers)
        return next((handler for handler in found if handler is not None), None)


def _refusing(failure: Failure, path: str) -> grpc.RpcMethodHandler[bytes, bytes]:
    async def handle(_messages: AsyncIterator[bytes], context: ServicerContext[bytes, bytes]) -> None:
        await refuse(context, failure, path)

    behaviour: Any = handle  # the stubs know handlers of threads only
    return grpc.stream_stream_rpc_method_handler(behaviour)
