"""Whatever a client does on a stream, and in whatever order, the stream ends, well or with a declared code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from catenary_conformance.every import every_method
from catenary_conformance.intensity import examples
from catenary_conformance.requirement import requirement
from catenary_conformance.strategies.derive import messages
from catenary_conformance.strategies.names import named
from catenary_conformance.streams.schedule import Cancel, Drop, play, schedules

if TYPE_CHECKING:
    from catenary_conformance.contract import Method
    from catenary_conformance.target import Target

_SECONDS = 15.0
"""Longer than a server waits for a silent writer."""


@requirement("CAT-ERR-006", "CAT-ERR-012")
@every_method(lambda method: method.client_streaming or method.server_streaming)
@examples(5)
@given(data=st.data())
def test_a_stream_ends_well_or_with_a_declared_code_whatever_the_client_does(
    target: Target, method: Method, data: st.DataObject
) -> None:
    drawn = messages(method.request).map(lambda request: named(target, request))
    schedule = data.draw(schedules(drawn, many=method.client_streaming), label="schedule")
    answer = play(target, method.path, schedule, timeout=_SECONDS)
    ours = isinstance(schedule[-1], Cancel | Drop)
    assert answer.ok or ours or answer.code in method.allowed, f"{answer} is not declared"
    assert target.call("GetServerInfo").ok, "the server does not serve on"
