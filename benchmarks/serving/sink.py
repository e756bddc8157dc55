"""`python -m benchmarks.serving.sink PORT_FILE BYTES`: what a connection costs. Takes so many bytes, answers one."""

from __future__ import annotations

import socket
import sys
from pathlib import Path


def serve(port_file: Path, size: int) -> None:
    """Serve one connection after the other until killed."""
    memory = memoryview(bytearray(size))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port_file.write_text(f"127.0.0.1:{listener.getsockname()[1]}\n")
        while True:
            connection, _ = listener.accept()
            with connection:
                while _take(connection, memory):
                    connection.sendall(b"!")


def _take(connection: socket.socket, memory: memoryview) -> bool:
    received = 0
    while received < len(memory):
        count = connection.recv_into(memory[received:])
        if not count:
            return False
        received += count
    return True


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
