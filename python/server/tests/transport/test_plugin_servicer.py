from __future__ import annotations

import json
from typing import TYPE_CHECKING

import grpc
import pytest

from catenary.v1 import plugin_service_pb2
from catenary.v1.plugin_pb2 import PluginManifest

if TYPE_CHECKING:
    from application import Application
    from wire_client import WireClient


@pytest.fixture
def app(app: Application) -> Application:
    """Three installed plugins, a node type each."""
    app.plugin_source.install("ndvi", "sam", "extra")
    app.runtime.exports = {"ndvi": ("NDVI", "Angles"), "sam": ("Mapper",), "extra": ("More",)}
    return app


def manifest(**values: object) -> PluginManifest:
    return PluginManifest(config_bytes=json.dumps(values).encode())


async def test_a_loaded_plugin_is_described(client: WireClient, session_id: str) -> None:
    answer = await client.call("LoadPlugin", session_id=session_id, manifest=manifest(name="ndvi", version="1.0"))
    assert answer.registered_plugin == "ndvi"
    info = (await client.call("GetPluginInfo", session_id=session_id, plugin_name="ndvi")).plugin
    assert (info.name, info.type, info.source, info.tag) == ("ndvi", "entry_point", "plugin-ndvi", "1.0")
    assert list(info.capabilities) == ["Angles", "NDVI"]


async def test_plugins_are_listed_in_pages_by_name(client: WireClient, session_id: str) -> None:
    for name in ("sam", "ndvi", "extra"):
        await client.call("LoadPlugin", session_id=session_id, manifest=manifest(name=name))
    first = await client.call("ListLoadedPlugins", session_id=session_id, page_size=2)
    rest = await client.call("ListLoadedPlugins", session_id=session_id, page_size=2, page_token=first.next_page_token)
    assert [info.name for info in (*first.plugins, *rest.plugins)] == ["extra", "ndvi", "sam"]
    assert rest.next_page_token == ""


async def test_node_types_of_a_plugin_say_whose_they_are(client: WireClient, session_id: str) -> None:
    await client.call("LoadPlugin", session_id=session_id, manifest=manifest(name="ndvi"))
    nodes = (await client.call("ListAvailableNodes", session_id=session_id)).nodes
    assert {node.class_name: (node.source, node.plugin_name) for node in nodes}["NDVI"] == ("plugin", "ndvi")


async def test_the_cache_counts_what_it_forgets(client: WireClient, session_id: str) -> None:
    await client.call("LoadPlugin", session_id=session_id, manifest=manifest(name="ndvi"))
    assert (await client.call("ClearPluginCache", plugin_name="other")).cleared_count == 0
    assert (await client.call("ClearPluginCache")).cleared_count == 1


@pytest.mark.parametrize(
    ("values", "reason", "code"),
    [
        ({"name": "strange"}, "PLUGIN_NOT_ALLOWED", grpc.StatusCode.PERMISSION_DENIED),
        ({"name": "ndvi", "version": "2"}, "PLUGIN_NOT_INSTALLED", grpc.StatusCode.FAILED_PRECONDITION),
        ({"name": "ndvi", "git": "https://host.invalid"}, "CONFIG_INVALID", grpc.StatusCode.INVALID_ARGUMENT),
        ({"name": "ndvi", "colour": "red"}, "CONFIG_INVALID", grpc.StatusCode.INVALID_ARGUMENT),
        ({"version": "1"}, "CONFIG_INVALID", grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_a_refused_load_says_why_and_leaves_the_session_as_it_was(
    client: WireClient, session_id: str, values: dict[str, object], reason: str, code: grpc.StatusCode
) -> None:
    failure = await client.failure("LoadPlugin", session_id=session_id, manifest=manifest(**values))
    assert (failure.reason, failure.code) == (reason, code)
    assert not (await client.call("ListLoadedPlugins", session_id=session_id)).plugins


async def test_every_fault_of_a_manifest_is_named_at_once(client: WireClient, session_id: str) -> None:
    wanted = manifest(name="ndvi", url="x", tag="v1", version=3)
    failure = await client.failure("LoadPlugin", session_id=session_id, manifest=wanted)
    assert {violation.subject for violation in failure.violations} == {"tag", "url", "version"}


async def test_sessions_and_plugins_that_are_not_there_are_not_found(client: WireClient, session_id: str) -> None:
    unknown = {"session_id": "unknown"}
    for name, fields in (
        ("LoadPlugin", {"manifest": manifest(name="ndvi")}),
        ("ListLoadedPlugins", {}),
        ("GetPluginInfo", {"plugin_name": "ndvi"}),
    ):
        assert (await client.failure(name, **unknown, **fields)).reason == "SESSION_NOT_FOUND"
    missing = await client.failure("GetPluginInfo", session_id=session_id, plugin_name="ndvi")
    assert (missing.reason, missing.code) == ("PLUGIN_NOT_FOUND", grpc.StatusCode.NOT_FOUND)


async def test_clients_of_the_other_service_are_told_failures_in_the_response(
    client: WireClient, session_id: str
) -> None:
    def asking(name: str) -> bytes:
        request = plugin_service_pb2.LoadPluginRequest(session_id=session_id, manifest=manifest(name=name))
        return request.SerializeToString()

    path = "/cuvis_ai.v1.CuvisAIService/"
    assert await client.raw(path + "LoadPlugin", asking("ndvi")) == b"\x0a\x04ndvi"
    assert (await client.raw(path + "LoadPlugin", asking("strange")))[:1] == b"\x12"
    assert b"manifest" in await client.raw(path + "LoadPlugins", asking("strange"))
