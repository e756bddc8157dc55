"""Answers a retry with what the first attempt was answered, where the effect is a file or a restored session.

CreateSession and Train are not here: their resources remember the request ids that made them.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import hashlib
import time
from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure, Reason, Resource

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from google.protobuf.message import Message

    from catenary_server.transport.methods import Method

ONCE = frozenset({"SavePipeline", "SaveTrainRun", "RestoreTrainRun"})
"""RPCs whose requests are remembered."""

MEMORY_SECONDS = 3600.0
MEMORY_REQUESTS = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class _Attempt:
    body: bytes
    time: float
    answer: asyncio.Task[bytes]


class Attempts:
    """The requests of the last hour, by who sent them under which id."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._attempts: collections.OrderedDict[tuple[str, str, str], _Attempt] = collections.OrderedDict()

    async def once(
        self, method: Method, principal: str, request: Message, work: Callable[[], Coroutine[None, None, bytes]]
    ) -> bytes:
        """Do the work, or give what it gave when it was first asked for under this request id.

        Work that has an id goes on to its end without its caller, so that a retry finds what became of it; work that
        failed is forgotten, so that a retry tries again.

        Raises:
            Failure: IDEMPOTENCY_CONFLICT if the id was used with another body; what the work raises.
        """
        request_id = str(getattr(request, "request_id", "")) if method.name in ONCE else ""
        if not request_id:
            return await work()
        self._forget()
        key = (principal, method.path, request_id)
        body = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
        attempt = self._attempts.get(key)
        if attempt is None:
            attempt = _Attempt(body, self._clock(), asyncio.create_task(work()))
            self._attempts[key] = attempt
            attempt.answer.add_done_callback(lambda answer: self._drop_failed(key, answer))
        elif attempt.body != body:
            raise Failure(
                Reason.IDEMPOTENCY_CONFLICT,
                f"request id {request_id!r} was used with another request; use a new one",
                resource=Resource("request", request_id),
            )
        return await asyncio.shield(attempt.answer)

    def _drop_failed(self, key: tuple[str, str, str], answer: asyncio.Task[bytes]) -> None:
        if answer.cancelled() or answer.exception() is not None:
            self._attempts.pop(key, None)

    def _forget(self) -> None:
        horizon = self._clock() - MEMORY_SECONDS
        while self._attempts:
            oldest = next(iter(self._attempts.values()))
            if oldest.time > horizon and len(self._attempts) < MEMORY_REQUESTS:
                return
            self._attempts.popitem(last=False)
