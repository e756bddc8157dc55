"""An RPC answers the codes that it declares and those that any RPC may answer, whatever it is sent.

Every other case looks at this too; a code that is not allowed then counts against CAT-ERR-006.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from catenary_conformance.every import every_method
from catenary_conformance.execution import check_code
from catenary_conformance.intensity import examples
from catenary_conformance.requirement import requirement

if TYPE_CHECKING:
    from catenary_conformance.contract import Contract, Method
    from catenary_conformance.target import Target


@requirement("CAT-ERR-006")
@every_method()
@examples(10)
@given(content=st.binary(max_size=64))
def test_any_bytes_get_a_declared_code(target: Target, contract: Contract, method: Method, content: bytes) -> None:
    with target.stream(method.path, timeout=20.0) as stream:
        stream.send(content)
        stream.half_close()
        if stream.receive() is None and stream.answer is not None:
            check_code(contract, stream.answer)
