"""A server far away: everything that is said to it, and everything that it says, arrives later."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 16
_IN_FLIGHT = 1 << 24
"""Bytes of a connection that may be under way; TCP would slow down at its window as well."""


@contextlib.contextmanager
def delayed(address: str, seconds: float) -> Iterator[str]:
    """Give the address of a relay to a server that delays each direction, as long as the block lasts.

    Args:
        address: `host:port` of the server.
        seconds: that each byte is under way.
    """
    started: threading.Event = threading.Event()
    relay = _Relay(address, seconds, started)
    thread = threading.Thread(target=relay.run, name="delay", daemon=True)
    thread.start()
    started.wait()
    try:
        yield relay.address
    finally:
        relay.stop()
        thread.join()


class _Relay:
    """Accepts connections and makes one to the server for each; runs a loop of its own."""

    def __init__(self, address: str, seconds: float, started: threading.Event) -> None:
        host, _, port = address.rpartition(":")
        self._host, self._port, self._seconds, self._started = host.strip("[]"), int(port), seconds, started
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._ways: set[asyncio.Task[None]] = set()
        self.address = ""

    def run(self) -> None:
        """Relay until told to stop."""
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())

    def stop(self) -> None:
        """Stop, from another thread; connections are cut."""
        self._loop.call_soon_threadsafe(self._stopped.set)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._started.set()
        await self._stopped.wait()
        server.close()
        for each in self._ways:
            each.cancel()
        await asyncio.gather(*self._ways, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.close()
            return
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            way = self._loop.create_task(_Way(source, sink, self._seconds).run())
            self._ways.add(way)
            way.add_done_callback(self._ways.discard)


class _Way:
    """One direction of a connection."""

    def __init__(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, seconds: float) -> None:
        self._source, self._sink, self._seconds = source, sink, seconds
        self._under_way: collections.deque[tuple[float, bytes]] = collections.deque()
        self._size = 0
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Pass on what comes, each piece so much later than it came, until the end of it has arrived."""
        taking = asyncio.create_task(self._take())
        try:
            with contextlib.suppress(OSError):
                await self._deliver()
        finally:
            taking.cancel()
            self._sink.close()

    async def _take(self) -> None:
        loop = asyncio.get_running_loop()
        data = b"-"
        while data:
            try:
                data = await self._source.read(_CHUNK)
            except OSError:
                data = b""
            self._under_way.append((loop.time() + self._seconds, data))
            self._size += len(data)
            self._changed.set()
            while self._size > _IN_FLIGHT:
                self._changed.clear()
                await self._changed.wait()

    async def _deliver(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while not self._under_way:
                self._changed.clear()
                await self._changed.wait()
            due, data = self._under_way.popleft()
            await asyncio.sleep(due - loop.time())
            if not data:
                return
            self._sink.write(data)
            await self._sink.drain()
            self._size -= len(data)
            self._changed.set()
