from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from catenary_client import Client, NodeParameter, NodePort, PermissionDeniedError, Plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripted_server import ScriptedServer


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[Client]:
    with Client(server.address) as connected:
        yield connected


def test_a_plugin_is_asked_for_by_name_and_if_wanted_by_version(client: Client, server: ScriptedServer) -> None:
    with client.session() as session:
        session.load_plugin("ndvi")
        session.load_plugin("ndvi", version=">=1")
    sent = [json.loads(request.manifest.config_bytes) for request in server.requests["LoadPlugin"]]
    assert sent == [{"name": "ndvi"}, {"name": "ndvi", "version": ">=1"}]


def test_loaded_plugins_come_from_all_pages(client: Client) -> None:
    with client.session() as session:
        assert session.plugins() == [Plugin(name, f"plugin-{name}", "1.0", ("A", "B")) for name in ("ndvi", "sam")]
        assert session.plugin("sam").name == "sam"


def test_a_plugin_that_is_not_allowed_is_a_matter_of_permission(client: Client, server: ScriptedServer) -> None:
    server.fail_next("LoadPlugin", "PLUGIN_NOT_ALLOWED")
    with client.session() as session, pytest.raises(PermissionDeniedError):
        session.load_plugin("ndvi")


def test_the_cache_is_cleared_for_one_or_all(client: Client, server: ScriptedServer) -> None:
    assert client.clear_plugin_cache("ndvi") == 2
    client.clear_plugin_cache()
    assert [request.plugin_name for request in server.requests["ClearPluginCache"]] == ["ndvi", ""]


def test_node_types_come_from_all_pages_those_of_plugins_with_a_session(client: Client) -> None:
    assert [node.class_name for node in client.nodes()] == ["LAD", "RX"]
    with client.session() as session:
        nodes = session.nodes()
    assert [(node.class_name, node.plugin) for node in nodes] == [("LAD", ""), ("NDVI", "ndvi"), ("RX", "")]


def test_a_node_type_is_described_in_plain_values(client: Client) -> None:
    node = client.nodes()[0]
    assert (node.category, node.description, node.citation, node.tags) == (
        "MODEL",
        "Scores.",
        "Somebody 1990",
        ("ANOMALY",),
    )
    assert node.inputs == (
        NodePort("data", (-1, -1, -1, -1), "float32", optional=False, variadic=True, description="spectra"),
    )
    assert node.params == (
        NodeParameter("eps", "number", required=False, default="0.5", description="ridge", validation="> 0"),
    )
