"""What holds for every RPC, from the descriptors of the contract."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import grpc
import pytest
from application import Application, content
from wire_client import WireClient, method

from catenary_server.domain.failure import Failure, Reason
from catenary_server.transport.front_end import build_routes
from catenary_server.transport.interceptors.sizes import size_limit
from catenary_server.transport.methods import Method, contract_methods
from catenary_server.transport.server import build_server
from catenary_server.transport.settings import MessageSizes, TransportSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary_server.transport.interceptors.authentication import Identity
    from catenary_server.transport.services import Services

MALFORMED = b"\x0a\xff\xff\xff\xff\x0f"
"""Field 1 claims more bytes than there are."""


@pytest.fixture
def served(services: Services) -> list[Method]:
    routes = build_routes(services, MessageSizes()).routes.values()
    return [route.method for route in routes if route.handler is not None]


async def test_malformed_bytes_are_told_apart_on_every_rpc(client: WireClient, served: list[Method]) -> None:
    for each in served:
        failure = await client.raw_failure(each.path, MALFORMED)
        assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE"), each.path
        assert failure.metadata["method"] == each.path


async def test_invalid_text_is_malformed(client: WireClient) -> None:
    failure = await client.raw_failure(method("GetSession").path, b"\x0a\x02\xff\xfe")
    assert failure.reason == "MALFORMED_MESSAGE"


async def test_messages_above_their_limit_are_refused_on_every_rpc(client: WireClient, served: list[Method]) -> None:
    sizes = MessageSizes()
    for each in served:
        limit = size_limit(each, sizes)
        if limit == sizes.inference:
            continue  # as large as the limit of the runtime
        failure = await client.raw_failure(each.path, bytes(limit + 1))
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE"), each.path
        assert failure.violations


async def test_an_unknown_session_is_not_found_on_every_rpc_that_names_one(
    client: WireClient, served: list[Method], app: Application
) -> None:
    foreign = app.session("somebody else").session_id
    named = [each for each in served if "session_id" in each.request.DESCRIPTOR.fields_by_name]
    assert len(named) >= 19
    for each in named:
        for session_id in ("A" * 32, foreign):
            failure = await client.failure(each.name, **_valid(each), session_id=session_id)
            assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND"), each.path
            assert failure.resource is not None
            assert failure.resource.name == session_id


async def test_rpcs_that_are_not_served_answer_unimplemented_whatever_they_are_sent(
    client: WireClient, served: list[Method]
) -> None:
    for each in contract_methods().values():
        if each not in served:
            failure = await client.raw_failure(each.path, MALFORMED)
            assert (failure.code, failure.reason) == (grpc.StatusCode.UNIMPLEMENTED, "FEATURE_DISABLED"), each.path
            assert failure.metadata["method"] == each.path


@pytest.mark.parametrize(
    ("name", "fields", "subjects"),
    [
        ("GetSession", {}, ["session_id"]),
        ("CreateSession", {"request_id": "no spaces", "labels": {"UPPER": "x"}}, ["request_id", 'labels["UPPER"]']),
        ("ResolveConfig", {"session_id": "s", "config_type": "nonsense", "path": "p"}, ["config_type"]),
        (
            "ResolveConfig",
            {"session_id": "s", "config_type": "data", "path": "p", "overrides": ["a=1", ""]},
            ["overrides[1]"],
        ),
        ("LoadPipeline", {"session_id": "s"}, ["pipeline"]),
        ("LoadPipeline", {"session_id": "s", "pipeline": {"config_bytes": b""}}, ["pipeline.config_bytes"]),
        ("LoadPipelineWeights", {"session_id": "s"}, ["weights_source"]),
        ("Train", {"session_id": "s"}, ["trainer_type"]),
        ("Train", {"session_id": "s", "trainer_type": 3}, ["trainer_type"]),
        ("Evaluate", {"session_id": "s", "stage": 1}, ["stage"]),
        ("Inference", {"session_id": "s", "output_specs": ["a", "a"]}, ["output_specs"]),
        (
            "Inference",
            {"session_id": "s", "inputs": {"bboxes": {"boxes": [{}, {"x_min": 2, "x_max": 1}]}}},
            ["inputs.bboxes.boxes[1]"],
        ),
    ],
)
async def test_a_broken_rule_names_its_field(
    client: WireClient, name: str, fields: Mapping[str, object], subjects: list[str]
) -> None:
    failure = await client.failure(name, **fields)
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    assert [violation.subject for violation in failure.violations] == subjects
    assert all(violation.description for violation in failure.violations)


async def test_a_defect_tells_an_incident_id_and_nothing_else(
    client: WireClient, session_id: str, app: Application, caplog: pytest.LogCaptureFixture
) -> None:
    app.runtime.faults["load_pipeline"] = RuntimeError("secret path /srv/somewhere")
    with caplog.at_level(logging.ERROR):
        failure = await client.failure("LoadPipeline", session_id=session_id, pipeline={"config_bytes": content()})
    assert (failure.code, failure.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL_BUG")
    assert "secret" not in failure.message
    assert "secret" not in str(failure.metadata)
    records = [record for record in caplog.records if failure.metadata["incident_id"] in record.getMessage()]
    assert len(records) == 1
    assert "secret path" in caplog.text


async def test_a_session_is_usable_after_a_defect(client: WireClient, session_id: str, app: Application) -> None:
    app.runtime.faults["load_pipeline"] = RuntimeError("once")
    await client.failure("LoadPipeline", session_id=session_id, pipeline={"config_bytes": content()})
    app.runtime.faults.clear()
    answer = await client.call("LoadPipeline", session_id=session_id, pipeline={"config_bytes": content()})
    assert answer.metadata.name == "small"


class DenyingAuthenticator:
    def identify(self, metadata: Mapping[str, str | bytes]) -> Identity:  # noqa: ARG002 - as the protocol has it
        raise Failure(Reason.TOKEN_MISSING, "say what for")

    def authenticate(self, method: Method, metadata: Mapping[str, str | bytes]) -> str:
        token = metadata.get("authorization")
        if token is None:
            raise Failure(Reason.TOKEN_MISSING, "send a token")
        if token != f"Bearer {method.scope}":
            raise Failure(Reason.SCOPE_MISSING, "the token does not carry this scope")
        return str(token)


async def test_authentication_comes_before_size_and_decoding_on_every_rpc(services: Services) -> None:
    server = build_server(TransportSettings(), services, DenyingAuthenticator())
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        client = WireClient(channel)
        for path in contract_methods():
            assert (await client.raw_failure(path, MALFORMED)).reason == "TOKEN_MISSING", path
        failure = await client.raw_failure(method("GetSession").path, bytes(MessageSizes().control + 1))
        assert failure.reason == "TOKEN_MISSING"
        create = channel.unary_unary(method("CreateSession").path, None, None)
        await create(b"", metadata=[("authorization", "Bearer session.write")], timeout=20)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await create(b"", metadata=[("authorization", "Bearer session.read")], timeout=20)
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    await server.drain(grace=0)


async def test_a_response_above_the_limit_is_refused_too(services: Services) -> None:
    settings = TransportSettings(sizes=MessageSizes(control=200))
    server = build_server(settings, services, DenyingAuthenticator())
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        info = channel.unary_unary(method("GetServerInfo").path, None, None)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await info(b"", metadata=[("authorization", "Bearer discovery.read")], timeout=20)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    await server.drain(grace=0)


def _valid(each: Method) -> dict[str, object]:
    """The least that passes the field rules of an RPC, beside its session."""
    fields: dict[str, dict[str, object]] = {
        "ResolveConfig": {"config_type": "data", "path": "x"},
        "LoadPipeline": {"pipeline": {"config_bytes": b"{}"}},
        "LoadPipelineWeights": {"weights_path": "x"},
        "SavePipeline": {"pipeline_path": "x"},
        "SetTrainRunConfig": {"config": {"config_bytes": b"{}"}},
        "Train": {"trainer_type": 1},
        "Evaluate": {"stage": 3},
        "LoadPlugin": {"manifest": {"config_bytes": b"{}"}},
        "GetPluginInfo": {"plugin_name": "x"},
        "SaveTrainRun": {"trainrun_path": "x"},
        "RestoreTrainRun": {"trainrun_path": "x"},
    }
    return fields.get(each.name, {})
