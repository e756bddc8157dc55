"""A server with DiscoveryService and SessionService, in a few lines: what the suite is tried on, without our own."""

from __future__ import annotations

import secrets
from concurrent import futures
from typing import TYPE_CHECKING, Any, Self

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from catenary.v1 import discovery_service_pb2, session_requests_pb2
from catenary.v1.capability_pb2 import Capability
from catenary.v1.session_pb2 import Session
from catenary_conformance.contract import Contract, Method
from catenary_conformance.rules import Place

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from google.protobuf.message import Message

IDENTITY = "a session"


class Refused(Exception):
    """Ends a call with a status."""

    def __init__(self, code: grpc.StatusCode, reason: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.code, self.reason, self.fields = code, reason, fields


class Standin(grpc.GenericRpcHandler):  # type: ignore[type-arg] # generic for type checkers alone
    """The server; a context manager.

    Attributes:
        address: `host:port`.
        sessions: ids of the open sessions.
        faults: names of what it is to do wrong: `misnamed field`, `leaks a path`, `forgets to close`.
        before: called with the name of each RPC before it is answered.
    """

    def __init__(self) -> None:
        self.contract = Contract.load()
        self.sessions: set[str] = set()
        self.closed: set[str] = set()
        self.faults: set[str] = set()
        self.before: Callable[[str], None] = lambda _name: None
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers((self,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop(None).wait()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        method = self.contract.methods.get(details.method)
        if method is None or method.capability not in {"", "sessions"}:
            return None

        def answer(raw: bytes, context: grpc.ServicerContext) -> bytes:
            self.before(method.name)
            try:
                return self._answered(method, raw).SerializeToString()
            except Refused as refused:
                self._abort(context, refused)
                raise

        return grpc.unary_unary_rpc_method_handler(answer, None, None)

    def _answered(self, method: Method, raw: bytes) -> Message:
        try:
            request = method.request.FromString(raw)
        except DecodeError:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE") from None
        broken = self.contract.violations(request)
        if broken:
            fields = tuple(each.field or "request" for each in broken if each.place is not Place.KEY or each.field)
            wrong = ("another_field",) if "misnamed field" in self.faults else fields
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID", wrong)
        work: Callable[[Any], Message] = getattr(self, f"_{method.name}", self._absent)
        return work(request)

    def _GetServerInfo(self, _request: Message) -> Message:
        return discovery_service_pb2.GetServerInfoResponse(
            server_name="stand-in", server_version="1", capabilities=[Capability(name="sessions", revision=1)]
        )

    def _CreateSession(self, _request: Message) -> Message:
        session_id = secrets.token_urlsafe(16)
        self.sessions.add(session_id)
        return session_requests_pb2.CreateSessionResponse(session_id=session_id, session=Session(session_id=session_id))

    def _GetSession(self, request: Any) -> Message:
        if request.session_id not in self.sessions:
            raise Refused(grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
        return session_requests_pb2.GetSessionResponse(session=Session(session_id=request.session_id))

    def _CloseSession(self, request: Any) -> Message:
        if request.session_id not in self.sessions | self.closed:
            raise Refused(grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
        if "forgets to close" not in self.faults:
            self.sessions.discard(request.session_id)
            self.closed.add(request.session_id)
        return session_requests_pb2.CloseSessionResponse()

    def _absent(self, _request: Message) -> Message:
        raise Refused(grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")

    def _abort(self, context: grpc.ServicerContext, refused: Refused) -> None:
        status = status_pb2.Status(code=refused.code.value[0], message=self._text(refused))
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason=refused.reason, domain="catenary"))
        if refused.fields:
            named = [{"field": each, "description": "is wrong"} for each in refused.fields]
            status.details.add().Pack(error_details_pb2.BadRequest(field_violations=named))
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(refused.code, status.message)

    def _text(self, refused: Refused) -> str:
        return "/home/somebody/server.py is wrong" if "leaks a path" in self.faults else refused.reason
