"""A TCP proxy that cuts and slows connections."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Self

SECONDS = 30.0
_CHUNK_BYTES = 256 * 1024
_SLOW_CHUNK_BYTES = 16384
"""A slow connection delivers little at a time."""


class FaultProxy:
    """Forwards to an address; a context manager that runs in a thread of its own."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.partition(":")
        self._port = int(port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._bytes_per_second = 0.0
        self._refusing = False
        self._forwarded = 0
        self._cut_after = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.address = ""
        self.cuts = 0

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS)
        self._loop.close()

    def cut(self) -> None:
        """Break every connection."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(SECONDS)

    def refuse(self, *, refusing: bool) -> None:
        """Break connections at once, or let new ones through again."""
        self._refusing = refusing
        if refusing:
            self.cut()

    def cut_after(self, size: int) -> None:
        """Break every connection each time so many bytes went to the server; 0 ends it."""
        self._forwarded, self._cut_after = 0, size

    def slow(self, bytes_per_second: float) -> None:
        """Forward to the server no faster than this; 0 for as fast as possible."""
        self._bytes_per_second = bytes_per_second

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_CHUNK_BYTES)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _stop(self) -> None:
        self._server.close()
        await self._cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _cut(self) -> None:
        self.cuts += 1
        for writer in list(self._writers):
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port, limit=_CHUNK_BYTES)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        for source, target, counted in ((reader, far_writer, True), (far_reader, writer, False)):
            task = asyncio.create_task(self._forward(source, target, counted=counted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(_SLOW_CHUNK_BYTES if self._bytes_per_second else _CHUNK_BYTES):
                target.write(data)
                await target.drain()
                if counted:
                    await self._count(len(data))
        with contextlib.suppress(OSError):
            target.close()

    async def _count(self, size: int) -> None:
        self._forwarded += size
        if self._cut_after and self._forwarded >= self._cut_after:
            self._forwarded = 0
            await self._cut()
        if self._bytes_per_second:
            await asyncio.sleep(size / self._bytes_per_second)
