"""The gRPC server: options, services, health, reflection, start and end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from catenary_server.transport import reflection, unix_socket
from catenary_server.transport.compat import cuvis, proposal
from catenary_server.transport.front_end import build_front_end, build_telemetry_front_end
from catenary_server.transport.listening import ListenError
from catenary_server.transport.methods import contract_methods
from catenary_server.transport.settings import MEBIBYTE
from catenary_server.transport.unix_socket import SocketTakenError

if TYPE_CHECKING:
    from pathlib import Path

    from catenary_server.application.discovery import Described
    from catenary_server.transport.front_end import FrontEnd
    from catenary_server.transport.interceptors.authentication import Authenticator
    from catenary_server.transport.services import Services, TelemetryParts
    from catenary_server.transport.settings import CallLimits, MessageSizes, TransportSettings

DESCRIBE = "/catenary.v1.DiscoveryService/GetServerInfo"
"""Who may call this may ask for descriptions by reflection."""

RESERVED_STREAMS = 32
"""Streams of HTTP/2 that a connection has beyond its principal's calls, for health checks and to close and stop."""

LAST_WORDS_SECONDS = 0.2
"""Time between the last call and the end of the server, for answers that are on their way."""

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class GrpcServer:
    """A server that can be started once and stopped once. Use it on one event loop."""

    def __init__(self, settings: TransportSettings, front: FrontEnd) -> None:
        routes, guard = front.routes, front.guard
        self._settings = settings
        self._drain = front.drain
        self._server = grpc.aio.server(options=_options(settings.sizes, settings.limits))
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined] # untyped, and offered so
        self._services = ("", *sorted({each.method.service for each in routes.routes.values()}))
        handlers: dict[str, dict[str, grpc.RpcMethodHandler[bytes, bytes]]] = {
            cuvis.SERVICE: cuvis.alias_handlers(routes, guard),
            proposal.SERVICE: proposal.alias_handlers(routes, guard),
        }
        for path, each in routes.routes.items():
            handlers.setdefault(each.method.service, {})[each.method.name] = guard.handler(each, path)
        generic = [grpc.method_handlers_generic_handler(service, methods) for service, methods in handlers.items()]
        if settings.reflection:
            generic.append(reflection.reflection_handlers((*self._services[1:], health.SERVICE_NAME)))
            if not settings.loopback:
                guard.demand(reflection.PATH, contract_methods()[DESCRIBE])
        self._server.add_generic_rpc_handlers((guard.screened(generic),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    async def start(self) -> int:
        """Listen and answer calls; health says NOT_SERVING until `set_serving`. Returns the port.

        Raises:
            ListenError: the address is taken or not of this machine.
        """
        await self.set_serving(serving=False)
        try:
            port = self._listen()
        except RuntimeError as error:
            raise ListenError(f"cannot listen on {self._settings.address}: it is taken or not here") from error
        if self._settings.unix_socket is not None:
            self._listen_locally(self._settings.unix_socket)
        await self._server.start()
        return port

    def _listen_locally(self, path: Path) -> None:
        try:
            unix_socket.listen(self._server, path)
        except (RuntimeError, SocketTakenError) as error:
            raise ListenError(f"cannot listen on {path}: {error}") from error

    def _listen(self) -> int:
        address, credentials = self._settings.address, self._settings.credentials
        if credentials is None:
            return self._server.add_insecure_port(address)
        return self._server.add_secure_port(address, credentials)

    async def set_serving(self, *, serving: bool) -> None:
        """Tell health checks whether to send work here."""
        for service in self._services:
            await self._health.set(service, _SERVING if serving else _NOT_SERVING)

    async def begin_drain(self) -> None:
        """Tell health checks to go elsewhere, and refuse new calls with DRAINING; calls under way go on."""
        self._drain.begin()
        await self._health.enter_graceful_shutdown()

    async def drain(self, grace: float) -> None:
        """Refuse new calls, give those under way `grace` seconds to end, and stop listening."""
        await self.begin_drain()
        await self._drain.ended(grace)
        await self._server.stop(min(grace, LAST_WORDS_SECONDS))
        if self._settings.unix_socket is not None:
            self._settings.unix_socket.unlink(missing_ok=True)

    async def wait_closed(self) -> None:
        """Wait until the server has stopped."""
        await self._server.wait_for_termination()


def build_server(settings: TransportSettings, services: Services, authenticator: Authenticator) -> GrpcServer:
    """A server of these use cases, not yet listening."""
    return GrpcServer(settings, build_front_end(settings, services, authenticator))


def build_telemetry_server(
    settings: TransportSettings, parts: TelemetryParts, authenticator: Authenticator, described: Described
) -> GrpcServer:
    """A server of telemetry alone, not yet listening; all other RPCs answer that it does not serve them."""
    return GrpcServer(settings, build_telemetry_front_end(settings, parts, authenticator, described))


def _options(sizes: MessageSizes, limits: CallLimits) -> list[tuple[str, int]]:
    """Channel arguments. The runtime's own limits are wide; what is refused should be refused by us, with details."""
    return [
        ("grpc.so_reuseport", 0),  # a second server on the port must fail, not share it
        ("grpc.max_receive_message_length", sizes.largest + MEBIBYTE),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", limits.calls + limits.streams + RESERVED_STREAMS),
        ("grpc.max_connection_age_ms", round(limits.connection_age * 1000)),
        ("grpc.max_connection_age_grace_ms", round(limits.connection_grace * 1000)),
        ("grpc.max_metadata_size", 8192),
        ("grpc.server_handshake_timeout_ms", 5000),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
    ]
