from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from catenary_server.transport.interceptors.authentication import AnonymousAuthenticator, TokenAuthenticator
from catenary_server.transport.interceptors.screening import Screen
from catenary_server.transport.methods import contract_methods

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary_server.transport.interceptors.authentication import Authenticator
    from catenary_server.transport.methods import Method

PATH = "/catenary.v1.SessionService/CreateSession"


class Details(grpc.HandlerCallDetails):
    """What the runtime knows of a call when its headers are there."""

    def __init__(self, method: str) -> None:
        self.method = method
        self.invocation_metadata = ()


class CountingAuthenticator(AnonymousAuthenticator):
    """Counts how often somebody is asked who they are."""

    def __init__(self) -> None:
        self.asked = 0

    def authenticate(self, method: Method, metadata: Mapping[str, str | bytes]) -> str:
        self.asked += 1
        return super().authenticate(method, metadata)


def handlers(path: str) -> grpc.GenericRpcHandler[bytes, bytes]:
    service, _, name = path[1:].partition("/")
    handler = grpc.unary_unary_rpc_method_handler(lambda request, _: request)
    return grpc.method_handlers_generic_handler(service, {name: handler})


def screen(authenticator: Authenticator) -> Screen:
    others = [handlers(f"/catenary.v1.Other{number}/Do") for number in range(5)]
    return Screen([*others, handlers(PATH)], {PATH: contract_methods()[PATH]}, authenticator)


def test_a_caller_is_asked_once_however_many_services_there_are() -> None:
    authenticator = CountingAuthenticator()
    found = screen(authenticator).service(Details(PATH))
    assert found is not None
    assert found.unary_unary is not None
    assert authenticator.asked == 1


def test_a_caller_who_may_not_call_gets_a_handler_that_reads_nothing() -> None:
    found = screen(TokenAuthenticator({})).service(Details(PATH))
    assert found is not None
    assert found.stream_stream is not None


def test_a_path_that_no_service_has_is_nobodys() -> None:
    assert screen(AnonymousAuthenticator()).service(Details("/catenary.v1.SessionService/Nothing")) is None
