from __future__ import annotations

import pytest

from catenary_conformance.execution import UndeclaredCode
from catenary_conformance.presuming import presuming


def test_a_failure_within_is_blamed_on_what_the_case_stands_on() -> None:
    with pytest.raises(AssertionError) as caught, presuming("CAT-SES-016"):
        raise AssertionError("the path is not there")
    assert vars(caught.value) == {"requirement_id": "CAT-SES-016"}


def test_what_names_a_requirement_itself_keeps_it() -> None:
    with pytest.raises(UndeclaredCode) as caught, presuming("CAT-SES-016"):
        raise UndeclaredCode("INTERNAL")
    assert caught.value.requirement_id == "CAT-ERR-006"


def test_a_case_that_is_skipped_is_not_blamed() -> None:
    with pytest.raises(pytest.skip.Exception) as skipped, presuming("CAT-SES-016"):
        pytest.skip("nothing to try it on")
    assert not hasattr(skipped.value, "requirement_id")
