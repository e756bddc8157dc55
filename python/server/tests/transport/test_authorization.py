"""Every RPC, of our contract and of those it answers for, against every kind of caller."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from authorization import Tokens
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from catenary_server.domain.access import new_token
from catenary_server.transport.compat import cuvis, proposal
from catenary_server.transport.interceptors.authentication import TokenAuthenticator, contract_scopes
from catenary_server.transport.methods import Method, contract_methods
from catenary_server.transport.server import build_server
from catenary_server.transport.settings import MessageSizes, TransportSettings
from catenary_wire.errors import failure_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from application import Application
    from wire_client import WireClient

    from catenary_server.transport.server import GrpcServer
    from catenary_server.transport.services import Services

NOW = 1000.0
MALFORMED = b"\x0a\xff\xff\xff\xff\x0f"
DENIED = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}


def by_path() -> Mapping[str, Method]:
    """Every path that the server answers, with the RPC that answers it."""
    contract = contract_methods()
    telemetry = "/catenary.telemetry.v1.TelemetryService"
    aliases = {f"/{cuvis.SERVICE}/{name}": contract[alias.path] for name, alias in cuvis.ALIASES.items()}
    proposed = ("RegisterTrainingSession", "StreamTelemetry")
    aliases |= {f"/{proposal.SERVICE}/{name}": contract[f"{telemetry}/{name}"] for name in proposed}
    return {**contract, **aliases}


PATHS = by_path()


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture
async def server(services: Services, tokens: Tokens) -> AsyncIterator[GrpcServer]:
    authenticator = TokenAuthenticator(tokens.grants, clock=lambda: NOW)
    server = build_server(TransportSettings(loopback=False), services, authenticator)
    yield server
    await services.sessions.close_all()
    await server.drain(grace=0.1)


async def outcome(channel: grpc.aio.Channel, path: str, raw: bytes, token: str | None) -> tuple[grpc.StatusCode, str]:
    """Code and reason of a call with this token; a stream of the client ends without a message."""
    rpc = PATHS[path]
    metadata = () if token is None else (("authorization", f"Bearer {token}"),)
    kinds: dict[tuple[bool, bool], Any] = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }
    multicallable = kinds[rpc.client_streaming, rpc.server_streaming](path, None, None)
    sent = () if rpc.client_streaming else (raw,)
    call = multicallable(*sent, metadata=metadata, timeout=20)
    try:
        if rpc.client_streaming:
            await call.done_writing()
        if rpc.server_streaming:
            while await call.read() is not grpc.aio.EOF:  # type: ignore[attr-defined] # the stubs leave it out
                pass
        else:
            await call
    except (grpc.aio.AioRpcError, grpc.RpcError):
        pass
    code = await call.code()
    if code is grpc.StatusCode.OK:
        return code, ""
    error = grpc.aio.AioRpcError(code, await call.initial_metadata(), await call.trailing_metadata(), "", "")
    return code, failure_of(error).reason


@pytest.mark.parametrize("path", PATHS)
async def test_only_the_right_token_opens_an_rpc(client: WireClient, tokens: Tokens, path: str) -> None:
    scope = PATHS[path].scope
    everything_else = tokens.make(contract_scopes() - {scope})
    expired = tokens.make(contract_scopes(), expires=NOW)
    # What they send cannot be decoded: that nobody is told so shows that it is not looked at.
    for token, expected in (
        (None, (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING")),
        ("nonsense", (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")),
        (new_token(), (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")),
        (expired, (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED")),
        (everything_else, (grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING")),
    ):
        assert await outcome(client.channel, path, MALFORMED, token) == expected
    code, _ = await outcome(client.channel, path, MALFORMED, tokens.make(frozenset({scope})))
    assert code not in DENIED


async def test_the_request_of_somebody_unknown_is_not_taken_in(services: Services, tokens: Tokens) -> None:
    """What is read to its end and above every limit is refused by the runtime, which says nothing of tokens."""
    sizes = MessageSizes(control=1000, telemetry=1000, chunk=1000, inference=1000, weights=1000)
    server = build_server(TransportSettings(sizes=sizes), services, TokenAuthenticator(tokens.grants))
    port = await server.start()
    path, large = "/catenary.v1.SessionService/GetSession", bytes(4 * 1024 * 1024)
    known = tokens.make(frozenset({"session.read"}))
    async with grpc.aio.insecure_channel(
        f"127.0.0.1:{port}", options=[("grpc.max_send_message_length", -1)]
    ) as channel:
        assert (await outcome(channel, path, large, known))[1] == "MESSAGE_TOO_LARGE"
        assert (await outcome(channel, path, large, None))[1] == "TOKEN_MISSING"
    await server.drain(grace=0.1)


async def test_health_is_open_to_everyone(client: WireClient, server: GrpcServer) -> None:
    await server.set_serving(serving=True)
    answer = await health_pb2_grpc.HealthStub(client.channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def describe(client: WireClient, token: str | None) -> int:
    stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
    metadata = () if token is None else (("authorization", f"Bearer {token}"),)
    requests = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    answer = await stub.ServerReflectionInfo(requests, metadata=metadata, timeout=20).read()
    return len(answer.list_services_response.service)


async def test_a_network_server_describes_itself_to_those_who_may_discover_it(
    client: WireClient, tokens: Tokens
) -> None:
    for token in (None, "nonsense", tokens.make(frozenset({"session.write"}))):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await describe(client, token)
        assert refused.value.code() in DENIED
    assert await describe(client, tokens.make(frozenset({"discovery.read"}))) > 5


async def test_what_a_request_id_was_answered_is_told_to_its_principal_only(
    client: WireClient, tokens: Tokens, app: Application
) -> None:
    create = client.channel.unary_unary("/catenary.v1.SessionService/CreateSession", None, None)
    rpc = contract_methods()["/catenary.v1.SessionService/CreateSession"]
    request = rpc.request(request_id="same").SerializeToString()
    answers = set()
    for principal in ("alice", "bob", "alice"):
        token = tokens.make(frozenset({"session.write"}), principal)
        answer = await create(request, metadata=(("authorization", f"Bearer {token}"),), timeout=20)
        answers.add(rpc.response.FromString(answer).session_id)  # type: ignore[attr-defined] # built from descriptors
    assert len(answers) == 2
    assert {session.principal for session in app.sessions.open_sessions()} == {"alice", "bob"}


async def test_the_session_of_another_looks_like_one_that_never_was(
    client: WireClient, tokens: Tokens, app: Application
) -> None:
    """On every path that names a session, byte for byte, but for the id that was asked for."""
    foreign = app.session("bob").session_id
    unknown = "A" * len(foreign)
    token = tokens.make(contract_scopes())
    named = {
        path: rpc
        for path, rpc in PATHS.items()
        if "session_id" in rpc.request.DESCRIPTOR.fields_by_name and rpc.path.startswith("/catenary.v1.")
    }
    assert len(named) > 40
    looked_up = 0
    for path, rpc in named.items():
        if rpc.client_streaming:
            continue
        answers = []
        for session_id in (foreign, unknown):
            request = rpc.request(**_valid(rpc), session_id=session_id).SerializeToString()
            code, details = await _told(client.channel, path, request, token)
            answers.append((code, details.replace(session_id.encode(), b"<id>")))
        assert answers[0] == answers[1], path
        assert answers[0][0] in {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.OK}, path
        assert answers[0][0] is not grpc.StatusCode.OK or rpc.name == "LoadPlugin", path
        looked_up += answers[0][0] is grpc.StatusCode.NOT_FOUND
    assert looked_up > 25
    assert [session.session_id for session in app.sessions.open_sessions()] == [foreign]


async def _told(channel: grpc.aio.Channel, path: str, request: bytes, token: str) -> tuple[grpc.StatusCode, bytes]:
    """Code and everything else that a call is told."""
    rpc = PATHS[path]
    kind: Any = channel.unary_stream if rpc.server_streaming else channel.unary_unary
    call = kind(path, None, None)(request, metadata=(("authorization", f"Bearer {token}"),), timeout=20)
    answer = b""
    try:
        if rpc.server_streaming:
            await call.read()
        else:
            answer = await call
    except grpc.aio.AioRpcError:
        pass
    trailers = dict(await call.trailing_metadata() or ())
    status = trailers.get("grpc-status-details-bin", b"")
    return await call.code(), answer + bytes(status) + (await call.details() or "").encode()


def _valid(rpc: Method) -> dict[str, object]:
    """The least that passes the field rules of an RPC, beside its session."""
    least: dict[str, dict[str, object]] = {
        "ResolveConfig": {"config_type": "data", "path": "x"},
        "LoadPipeline": {"pipeline": {"config_bytes": b"{}"}},
        "LoadPipelineWeights": {"weights_path": "x"},
        "SavePipeline": {"pipeline_path": "x"},
        "SetTrainRunConfig": {"config": {"config_bytes": b"{}"}},
        "Train": {"trainer_type": 1},
        "Evaluate": {"stage": 3},
        "SaveTrainRun": {"trainrun_path": "x"},
        "RestoreTrainRun": {"trainrun_path": "x"},
        "DownloadPipeline": {"pipeline_path": "x"},
        "LoadPlugin": {"manifest": {"config_bytes": b"{}"}},
        "GetPluginInfo": {"plugin_name": "x"},
    }
    return least.get(rpc.name, {})


async def test_no_log_line_and_no_answer_holds_a_token(
    client: WireClient, tokens: Tokens, caplog: pytest.LogCaptureFixture
) -> None:
    known, unknown = tokens.make(frozenset({"session.read"})), new_token()
    with caplog.at_level(logging.DEBUG):
        for path in ("/catenary.v1.SessionService/GetSession", "/catenary.v1.SessionService/CreateSession"):
            for token in (known, unknown):
                _, told = await _told(client.channel, path, MALFORMED, token)
                assert token.encode() not in told
    logged = " ".join(str(vars(record)) for record in caplog.records if record.name.startswith("catenary"))
    assert known not in logged
    assert unknown not in logged
