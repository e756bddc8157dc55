"""`telemetry.TelemetryService`: clients of the telemetry proposal work here by changing nothing but the address.

Messages of ours keep the field numbers and types of the proposal, so that bytes pass as they are. Trainings of the
proposal cannot declare which commands they obey: they obey all.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, cast

from catenary.telemetry.v1 import command_pb2

if TYPE_CHECKING:
    import grpc

    from catenary.telemetry.v1 import registration_pb2
    from catenary_server.transport.call import Call
    from catenary_server.transport.guard import Guard
    from catenary_server.transport.routes import Route, Routes, UnaryHandler

SERVICE: Final = "telemetry.TelemetryService"

_OURS: Final = "/catenary.telemetry.v1.TelemetryService"
_REGISTER: Final = "RegisterTrainingSession"
_STREAM: Final = "StreamTelemetry"


def alias_handlers(routes: Routes, guard: Guard) -> dict[str, grpc.RpcMethodHandler[bytes, bytes]]:
    """A handler for each method of the proposal."""
    register = _obeying_all(routes.routes[f"{_OURS}/{_REGISTER}"])
    return {
        _REGISTER: guard.handler(register, f"/{SERVICE}/{_REGISTER}"),
        _STREAM: guard.handler(routes.routes[f"{_OURS}/{_STREAM}"], f"/{SERVICE}/{_STREAM}"),
    }


def _obeying_all(route: Route) -> Route:
    """The registration of a training that obeys every command."""
    if route.handler is None:
        return route
    handler = cast("UnaryHandler", route.handler)

    async def register(request: registration_pb2.RegisterTrainingSessionRequest, call: Call) -> Any:  # noqa: ANN401 - as the handler has it
        if not request.commands:
            types = (number for number in command_pb2.CommandType.values() if number)
            request.commands.extend(command_pb2.CommandCapability(type=number) for number in types)
        return await handler(request, call)

    return dataclasses.replace(route, handler=register)
