"""A client that cancels or leaves does no harm to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_conformance.every import every_method
from catenary_conformance.requirement import requirement

if TYPE_CHECKING:
    from catenary_conformance.contract import Method
    from catenary_conformance.target import Target


@requirement("CAT-ERR-012")
@every_method()
def test_a_call_that_is_cancelled_at_once_does_no_harm(target: Target, method: Method) -> None:
    with target.stream(method.path, timeout=10.0) as stream:
        stream.send(b"")
        stream.cancel()
        stream.end()
    assert target.call("GetServerInfo").ok, "the server does not serve on"


@requirement("CAT-ERR-012")
@every_method(lambda method: method.client_streaming)
def test_a_connection_that_breaks_does_no_harm(target: Target, method: Method) -> None:
    with target.own_channel() as channel, target.stream(method.path, timeout=10.0, channel=channel) as stream:
        stream.send(b"")
        stream.drop()
        stream.end()
    assert target.call("GetServerInfo").ok, "the server does not serve on"
