"""Channels to a server."""

from __future__ import annotations

import grpc

DEFAULT_ADDRESS = "localhost:50051"
DEFAULT_MAX_MESSAGE_BYTES = 301 * 1024 * 1024
"""Above the 300 MiB that a server takes by default, so that the server's own limit is the one that speaks."""

_KEEPALIVE_MS = 60_000
"""Not more often than servers tolerate; finds a dead connection below an idle stream."""


def channel_options(max_message_bytes: int) -> list[tuple[str, int]]:
    """Options of a channel that carries cubes: large messages, and a watch over idle streams."""
    return [
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
    ]


def open_channel(
    address: str,
    *,
    credentials: grpc.ChannelCredentials | None = None,
    max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
) -> grpc.aio.Channel:
    """A channel for asyncio; connects with the first call. Without credentials it is not encrypted."""
    options = channel_options(max_message_bytes)
    if credentials is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, credentials, options=options)
