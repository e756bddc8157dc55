"""Server reflection: describes the services to tools such as grpcurl."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

SERVICE: Final = reflection.SERVICE_NAME
METHOD: Final = "ServerReflectionInfo"
PATH: Final = f"/{SERVICE}/{METHOD}"


def reflection_handlers(services: Iterable[str]) -> grpc.GenericRpcHandler[Any, Any]:
    """What answers questions about these services, and about reflection itself."""
    servicer = reflection.aio.ReflectionServicer((*services, SERVICE))  # type: ignore[attr-defined] # offered so
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler})
