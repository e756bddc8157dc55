from __future__ import annotations

import asyncio

import pytest

from catenary_server.domain.failure import Failure, Reason
from catenary_server.transport.interceptors.draining import Drain


async def test_calls_under_way_go_on_and_new_ones_are_refused() -> None:
    drain = Drain()
    with drain.admitted():
        drain.begin()
        ended = asyncio.create_task(drain.ended(20))
        with pytest.raises(Failure) as caught, drain.admitted():
            pass
        assert caught.value.reason is Reason.DRAINING
        await asyncio.sleep(0)
        assert not ended.done()
    await ended


async def test_waiting_ends_with_the_grace() -> None:
    drain = Drain()
    with drain.admitted():
        await drain.ended(0.01)
    await drain.ended(0.01)
