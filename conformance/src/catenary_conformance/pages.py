"""Lists that come in pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catenary_conformance.target import DEFAULT

if TYPE_CHECKING:
    from catenary_conformance.rpcs import Rpc, Token
    from catenary_conformance.target import Target

_MOST_PAGES = 10_000


def walk(
    target: Target,
    rpc: Rpc[Any, Any],
    items: str,
    *,
    page_size: int = 0,
    token: Token = DEFAULT,
    **fields: Any,  # noqa: ANN401 - fields of the request
) -> list[Any]:
    """Every item of a list, by following `next_page_token` until it is empty.

    Args:
        target: the server.
        rpc: a list with `page_size` and `page_token`.
        items: name of the field of the response that holds the items.
        page_size: items on a page, at most; 0 leaves it to the server.
        token: of the caller.
        fields: the rest of the request.

    Raises:
        AssertionError: a page has more items than asked for, a token comes twice, or the pages do not end.
    """
    found: list[Any] = []
    seen: set[str] = set()
    page_token = ""
    for _ in range(_MOST_PAGES):
        request = rpc.request(page_size=page_size, page_token=page_token, **fields)
        page = rpc.ok(target, request, token=token)
        here = list(getattr(page, items))
        assert not page_size or len(here) <= page_size, f"{len(here)} {items} on a page of {page_size}"
        found += here
        page_token = page.next_page_token
        if not page_token:
            return found
        assert page_token not in seen, f"the page token {page_token!r} came twice: the pages go round in a circle"
        seen.add(page_token)
    raise AssertionError(f"the pages of {rpc} do not end")
