from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenary_server.domain.failure import Failure, Reason
from catenary_server.transport.pages import Pages

NAMES = st.lists(st.text(max_size=8), unique=True, max_size=20)


@given(items=NAMES, size=st.integers(1, 7))
def test_pages_hold_every_item_once_in_order(items: list[str], size: int) -> None:
    pages, seen, token = Pages(), [], ""
    while True:
        page, token = pages.cut(items, str, size=size, token=token, selection="all")
        assert len(page) <= size
        seen += page
        if not token:
            break
    assert seen == sorted(items)


@given(items=NAMES.filter(lambda items: len(items) > 2), data=st.data())
def test_items_that_come_and_go_disturb_no_other(items: list[str], data: st.DataObject) -> None:
    pages = Pages()
    first, token = pages.cut(items, str, size=1, token="", selection="all")
    gone = data.draw(st.sampled_from(items))
    staying = [item for item in items if item != gone]
    rest, _ = pages.cut([*staying, gone + "\0new"], str, size=100, token=token, selection="all")
    assert set(staying) <= {*first, *rest}
    assert len(rest) == len(set(rest))


@given(token=st.text(min_size=1, max_size=40))
def test_a_token_that_was_not_given_is_refused(token: str) -> None:
    with pytest.raises(Failure) as caught:
        Pages().cut("abc", str, size=1, token=token, selection="all")
    assert caught.value.reason is Reason.FIELD_INVALID


def test_a_token_serves_its_own_selection_and_server_only() -> None:
    pages = Pages()
    _, token = pages.cut("abc", str, size=1, token="", selection="one")
    assert pages.cut("abc", str, size=1, token=token, selection="one")[0] == ["b"]
    changed = base64.urlsafe_b64encode(base64.urlsafe_b64decode(token + "==")[:-1] + b"b").decode().rstrip("=")
    for other, wrong, selection in ((pages, token, "two"), (Pages(), token, "one"), (pages, changed, "one")):
        with pytest.raises(Failure):
            other.cut("abc", str, size=1, token=wrong, selection=selection)
