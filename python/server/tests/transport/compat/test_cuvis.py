from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from application import content
from fake_configs import TRAINRUN
from wire_client import WireClient, method

from catenary.v1 import discovery_service_pb2, plugin_pb2, plugin_service_pb2, session_requests_pb2
from catenary_server.domain.failure import Failure, Reason
from catenary_server.transport.compat.cuvis import ALIASES, SERVICE, SUCCESS, alias_handlers
from catenary_server.transport.guard import Guard
from catenary_server.transport.interceptors.admission import Admission
from catenary_server.transport.interceptors.authentication import AnonymousAuthenticator
from catenary_server.transport.interceptors.draining import Drain
from catenary_server.transport.interceptors.idempotency import Attempts
from catenary_server.transport.interceptors.rules import FieldRules
from catenary_server.transport.methods import contract_methods
from catenary_server.transport.routes import route
from catenary_server.transport.settings import CallLimits, MessageSizes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FLAGGED = {
    "SetSessionSearchPaths",
    "CloseSession",
    "LoadPipeline",
    "LoadPipelineWeights",
    "SavePipeline",
    "SetTrainRunConfig",
    "SaveTrainRun",
}


def path(name: str) -> str:
    return f"/{SERVICE}/{name}"


def test_every_alias_names_an_rpc_of_the_contract() -> None:
    assert {alias.path for alias in ALIASES.values()} <= set(contract_methods())
    assert {name for name, alias in ALIASES.items() if alias.dialect.prefix} == FLAGGED


def test_responses_that_get_a_flag_reserve_its_number() -> None:
    for name in FLAGGED:
        assert 1 not in method(ALIASES[name].name).response.DESCRIPTOR.fields_by_number


async def test_answers_begin_with_success_where_the_other_contract_has_it(client: WireClient) -> None:
    created = await client.raw(path("CreateSession"), b"")
    session_id = session_requests_pb2.CreateSessionResponse.FromString(created).session_id
    requests: dict[str, dict[str, Any]] = {
        "SetSessionSearchPaths": {"search_paths": ["/"]},
        "SetTrainRunConfig": {"config": {"config_bytes": content(TRAINRUN)}},
        "LoadPipeline": {"pipeline": {"config_bytes": content()}},
        "LoadPipelineWeights": {"weights_bytes": b"weights"},
        "SavePipeline": {"pipeline_path": "x"},
        "SaveTrainRun": {"trainrun_path": "x"},
        "CloseSession": {},
    }
    assert set(requests) <= FLAGGED
    for name, fields in requests.items():
        rpc = method(name)
        if name == "SaveTrainRun":
            config = method("SetTrainRunConfig").request(
                session_id=session_id, config={"config_bytes": content(TRAINRUN)}
            )
            await client.raw(path("SetTrainRunConfig"), config.SerializeToString())
        raw = await client.raw(path(name), rpc.request(session_id=session_id, **fields).SerializeToString())
        assert raw.startswith(SUCCESS), name
        rpc.response.FromString(raw)


async def test_pipelines_are_listed_under_the_first_spelling_too(client: WireClient, session_id: str) -> None:
    await client.call("LoadPipeline", session_id=session_id, pipeline={"config_bytes": content()})
    await client.call("SavePipeline", session_id=session_id, pipeline_path="kept", metadata={"tags": ["mine"]})
    request = method("ListAvailablePipelines").request(filter_tag="mine").SerializeToString()
    answers = [await client.raw(path(name), request) for name in ("ListAvailablePipelines", "ListAvailablePipelinees")]
    assert answers[0] == answers[1]
    listed = discovery_service_pb2.ListAvailablePipelinesResponse.FromString(answers[0])
    assert [each.pipeline_path for each in listed.pipelines] == ["kept.yaml"]


async def test_failures_are_statuses_that_name_the_method_as_it_was_called(client: WireClient) -> None:
    request = method("CloseSession").request(session_id="unknown")
    failure = await client.raw_failure(path("CloseSession"), request)
    assert (failure.reason, failure.metadata["method"]) == ("SESSION_NOT_FOUND", path("CloseSession"))
    assert failure.message.startswith("Session ID not found: unknown")


class Plugins:
    service = "catenary.v1.PluginService"

    async def load_plugin(self, request: plugin_service_pb2.LoadPluginRequest, _call: object) -> object:
        if request.manifest.config_bytes == b"{}":
            raise Failure(Reason.PLUGIN_NOT_ALLOWED, "not allowed")
        return plugin_service_pb2.LoadPluginResponse(registered_plugin="one")

    async def list_loaded_plugins(self, request: object, call: object) -> None: ...
    async def get_plugin_info(self, request: object, call: object) -> None: ...
    async def clear_plugin_cache(self, request: object, call: object) -> None: ...


@pytest.fixture
async def plugins() -> AsyncIterator[WireClient]:
    guard = Guard(
        sizes=MessageSizes(),
        authenticator=AnonymousAuthenticator(),
        admission=Admission(CallLimits()),
        rules=FieldRules(),
        drain=Drain(),
        attempts=Attempts(),
    )
    server = grpc.aio.server()
    handlers = alias_handlers(route([Plugins()]), guard)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield WireClient(channel)
    await server.stop(0)


async def test_a_plugin_that_cannot_be_loaded_is_told_in_the_response(plugins: WireClient) -> None:
    good = plugin_service_pb2.LoadPluginRequest(
        session_id="s", manifest=plugin_pb2.PluginManifest(config_bytes=b'{"name": "one"}')
    )
    bad = plugin_service_pb2.LoadPluginRequest(session_id="s", manifest=plugin_pb2.PluginManifest(config_bytes=b"{}"))
    assert await plugins.raw(path("LoadPlugin"), good.SerializeToString()) == b"\x0a\x03one"
    assert await plugins.raw(path("LoadPlugin"), bad.SerializeToString()) == b"\x12\x0bnot allowed"
    entry = b"\x0a\x08manifest\x12\x0bnot allowed"
    assert await plugins.raw(path("LoadPlugins"), bad.SerializeToString()) == b"\x12\x17" + entry


async def test_a_request_that_breaks_a_rule_is_a_status_all_the_same(plugins: WireClient) -> None:
    assert (await plugins.raw_failure(path("LoadPlugin"), b"")).reason == "FIELD_INVALID"


async def test_what_is_not_served_is_unimplemented_here_too(plugins: WireClient) -> None:
    for name in ("ListAvailablePipelinees", "CreateSession", "SetProfiling"):
        failure = await plugins.raw_failure(path(name), b"")
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNIMPLEMENTED, "FEATURE_DISABLED")
