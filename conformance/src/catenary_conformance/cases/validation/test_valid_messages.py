"""A request that keeps every rule is not refused for one, whatever else the server has to say to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from catenary_conformance.answer import WrongAnswer
from catenary_conformance.every import every_method
from catenary_conformance.intensity import examples
from catenary_conformance.requirement import requirement
from catenary_conformance.strategies.derive import messages
from catenary_conformance.strategies.names import named

if TYPE_CHECKING:
    from catenary_conformance.contract import Method
    from catenary_conformance.target import Target

DECIDED_BY_THE_SERVER = frozenset({"idle_timeout", "page_token", "shared_memory_size_bytes", "output_specs", "header"})
"""Fields that are also refused for what the server knows: its bounds, its tokens, what it has."""


@requirement("CAT-ERR-002")
@every_method(lambda method: not method.client_streaming)
@examples(8)
@given(data=st.data())
def test_a_request_that_keeps_every_rule_is_not_refused_for_one(
    target: Target, method: Method, data: st.DataObject
) -> None:
    request = named(target, data.draw(messages(method.request)))
    # Nobody's session, run or file: the request is judged, nothing is done.
    with target.stream(method.path, timeout=20.0) as stream:
        stream.send(request)
        stream.half_close()
        response = stream.receive()
        answer = stream.answer if response is None else None
    if answer is None or answer.reason != "FIELD_INVALID":
        return
    at_fault = {each.partition("[")[0].partition(".")[0] for each in answer.violations}
    if not at_fault or at_fault - DECIDED_BY_THE_SERVER:
        raise WrongAnswer(f"{answer}, though it keeps every rule:\n{request}"[:2000])
