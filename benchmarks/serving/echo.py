"""`python -m benchmarks.serving.echo PORT_FILE`: what gRPC itself costs. Every request gets its own bytes back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import grpc
import uvloop

PATH = "/bench.Echo/Echo"


class Echo(grpc.GenericRpcHandler):  # type: ignore[type-arg] # generic in its stubs only
    """Answers every method."""

    def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        """One handler for all."""
        return grpc.unary_unary_rpc_method_handler(self._answer)

    @staticmethod
    async def _answer(request: bytes, _context: Any) -> bytes:  # noqa: ANN401 - not looked at
        return request


async def serve(port_file: Path) -> None:
    """Serve until killed."""
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)])
    server.add_generic_rpc_handlers((Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    port_file.write_text(f"127.0.0.1:{port}\n")  # noqa: ASYNC240 - nothing else happens yet
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))
