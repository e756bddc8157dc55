from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_server.transport.front_end import build_routes
from catenary_server.transport.methods import contract_methods
from catenary_server.transport.routes import route
from catenary_server.transport.settings import MessageSizes

if TYPE_CHECKING:
    from catenary_server.transport.services import Services

CLAIMED = {
    "datasets",
    "discovery",
    "visualization",
    "pipeline-transfer",
    "profiling",
    "sessions",
    "configs",
    "pipelines",
    "plugins",
    "training",
    "evaluation",
    "inference",
    "stream-inference",
    "chunked-inference",
}

NOT_BUILT = {
    "catenary.telemetry.v1.TelemetryService": {
        "RegisterTrainingSession",
        "StreamTelemetry",
        "ListRuns",
        "GetRun",
        "WatchRun",
        "QueryMetrics",
        "SendCommand",
        "DeleteRun",
    },
}
"""An RPC leaves this list when it is built; a new one of the contract is in neither place and fails."""


def test_every_rpc_is_served_or_listed_as_not_built(services: Services) -> None:
    routes = build_routes(services, MessageSizes()).routes
    unserved: dict[str, set[str]] = {}
    for each in routes.values():
        if each.handler is None:
            unserved.setdefault(each.method.service, set()).add(each.method.name)
    assert unserved == NOT_BUILT
    assert set(routes) == set(contract_methods())


def test_capabilities_are_those_that_are_served_whole(services: Services) -> None:
    assert build_routes(services, MessageSizes()).capabilities == CLAIMED


class PartOfSessions:
    service = "catenary.v1.SessionService"

    async def get_session(self, request: object, call: object) -> None:
        """One of five."""


def test_a_capability_that_is_built_in_part_is_neither_claimed_nor_served() -> None:
    routes = route([PartOfSessions()])
    assert routes.capabilities == frozenset()
    assert all(each.handler is None for each in routes.routes.values())


def test_every_public_method_of_a_servicer_answers_an_rpc(services: Services) -> None:
    functions: dict[str, set[str]] = {}
    for rpc in contract_methods().values():
        functions.setdefault(rpc.service, set()).add(rpc.function)
    for each in build_routes(services, MessageSizes()).routes.values():
        servicer = getattr(each.handler, "__self__", None)
        if servicer is not None:
            public = {name for name in vars(type(servicer)) if not name.startswith("_")} - {"service"}
            assert public <= functions[each.method.service]
