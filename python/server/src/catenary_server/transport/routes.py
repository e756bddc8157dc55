"""Which RPC is answered by whom, and what the server may therefore claim."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Protocol

from catenary_server.transport.methods import contract_methods

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping

    from catenary_server.transport.call import Call, Part
    from catenary_server.transport.methods import Method

    # The request and response types differ from RPC to RPC; the contract pairs them with the handler by name.
    UnaryHandler = Callable[[Any, Call], Awaitable[Any]]
    StreamHandler = Callable[[Any, Call], AsyncGenerator[Any, None]]
    UploadHandler = Callable[[AsyncIterator[Part], Call], Awaitable[Any]]
    # A two-way stream checks and reads its messages itself, as one that breaks a rule need not end it.
    DuplexHandler = Callable[[AsyncIterator[bytes], Call], AsyncGenerator[bytes, None]]


class Servicer(Protocol):
    """Answers RPCs of one service, each by the method that `Method.function` names."""

    @property
    def service(self) -> str:
        """Full name of the service."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """One RPC and who answers it; None for one that this server does not serve."""

    method: Method
    handler: UnaryHandler | StreamHandler | UploadHandler | DuplexHandler | None


@dataclasses.dataclass(frozen=True, slots=True)
class Routes:
    """Every RPC of the contract by its path, and the capabilities that are served whole."""

    routes: Mapping[str, Route]
    capabilities: frozenset[str]


def route(servicers: Iterable[Servicer]) -> Routes:
    """Find the handlers of every RPC.

    A capability is claimed if every RPC of it has a handler. One that is not claimed is not served in part either: what
    a server does not claim answers UNIMPLEMENTED.
    """
    by_service = {servicer.service: servicer for servicer in servicers}
    found = {
        path: getattr(by_service.get(method.service), method.function, None)
        for path, method in contract_methods().items()
    }
    incomplete = {contract_methods()[path].capability for path, handler in found.items() if handler is None}
    claimed = frozenset(method.capability for method in contract_methods().values()) - incomplete - {""}
    routes = {
        path: Route(method, found[path] if not method.capability or method.capability in claimed else None)
        for path, method in contract_methods().items()
    }
    return Routes(routes, claimed)
