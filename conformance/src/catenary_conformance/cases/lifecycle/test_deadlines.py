"""A call ends at its deadline, and the server serves on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import grpc

from catenary_conformance.every import every_method
from catenary_conformance.requirement import requirement

if TYPE_CHECKING:
    from catenary_conformance.contract import Method
    from catenary_conformance.target import Target

SHORT_SECONDS = 0.2


@requirement("CAT-ERR-011")
@every_method(lambda method: method.client_streaming)
def test_a_stream_that_sends_nothing_ends_at_its_deadline(target: Target, method: Method) -> None:
    began = time.monotonic()
    with target.stream(method.path, timeout=SHORT_SECONDS) as stream:
        answer = stream.end()
    assert answer.code in {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INVALID_ARGUMENT}, f"{answer}"
    assert time.monotonic() - began < target.seconds(SHORT_SECONDS + 5.0), "it ended long after its deadline"
    assert target.call("GetServerInfo").ok, "the server does not serve on"


@requirement("CAT-ERR-011")
@every_method()
def test_a_deadline_that_has_passed_does_no_harm(target: Target, method: Method) -> None:
    with target.stream(method.path, timeout=0.001) as stream:
        stream.send(b"")
        stream.half_close()
        stream.end()
    assert target.call("GetServerInfo").ok, "the server does not serve on"
