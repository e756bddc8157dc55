"""An RPC that is declared idempotent can be sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from catenary_conformance.every import every_method
from catenary_conformance.intensity import examples
from catenary_conformance.requirement import requirement
from catenary_conformance.strategies.derive import messages
from catenary_conformance.strategies.names import named

if TYPE_CHECKING:
    from catenary_conformance.contract import Method
    from catenary_conformance.target import Target


@requirement("CAT-ERR-016")
@every_method(lambda method: method.idempotent and not (method.client_streaming or method.server_streaming))
@examples(3)
@given(data=st.data())
def test_the_same_request_gets_the_same_code_again(target: Target, method: Method, data: st.DataObject) -> None:
    request = named(target, data.draw(messages(method.request, depth=1)))
    if "request_id" in method.request.DESCRIPTOR.fields_by_name:
        request.request_id = target.unique("again")  # what makes a retry of it safe
    first = target.call(method.path, request, timeout=20.0)
    again = target.call(method.path, request, timeout=20.0)
    assert (again.code, again.reason) == (first.code, first.reason), f"at first {first}, then {again}"
