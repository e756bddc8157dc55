from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from application import OWNER, Application
from fake_runtime import CATALOG

from catenary.v1 import discovery_pb2, node_pb2, node_tag_pb2, tensor_pb2
from catenary.v1.discovery_service_pb2 import ListAvailableNodesRequest
from catenary_server.domain.failure import Failure
from catenary_server.transport.call import Call
from catenary_server.transport.codec.discovery import encode_node
from catenary_server.transport.discovery_servicer import DiscoveryServicer
from catenary_server.transport.interceptors.admission import Admission
from catenary_server.transport.pages import Pages
from catenary_server.transport.settings import CallLimits, MessageSizes

if TYPE_CHECKING:
    from application import Application
    from wire_client import WireClient


async def test_the_server_says_who_it_is_what_it_claims_and_its_limits(client: WireClient, session_id: str) -> None:
    info = await client.call("GetServerInfo")
    assert info.server_name == "catenary"
    assert info.server_version
    assert info.contract_version
    assert [each.name for each in info.capabilities] == sorted(
        ["sessions", "configs", "pipelines", "training", "evaluation", "inference"]
    )
    assert all(each.revision == 1 for each in info.capabilities)
    assert info.limits.messages.control_size_bytes == MessageSizes().control
    assert info.limits.sessions.principal.used == 1
    assert info.limits.sessions.max_idle_timeout.seconds == 86400
    assert [(each.name, each.kind) for each in info.devices] == [("cpu", discovery_pb2.Device.KIND_CPU)]
    assert info.HasField("start_time")
    assert (await client.call("GetServerInfo")).server_epoch == info.server_epoch


def test_a_node_type_tells_ports_parameters_and_tags() -> None:
    node = encode_node(CATALOG.nodes["Scale"])
    assert (node.class_name, node.source, node.category) == ("Scale", "builtin", node_pb2.NODE_CATEGORY_TRANSFORM)
    assert node.input_specs["cube"].dtype == tensor_pb2.D_TYPE_FLOAT32
    assert [(each.name, each.type) for each in node.params] == [("factor", "number"), ("output_dir", "string")]
    assert list(node.tags) == [node_tag_pb2.NODE_TAG_HYPERSPECTRAL]


async def test_node_types_come_by_name_in_pages(app: Application) -> None:
    servicer = DiscoveryServicer(app.discovery, frozenset, MessageSizes(), Admission(CallLimits()), Pages())
    call = Call(principal=OWNER, metadata={}, time_remaining=lambda: None)
    first = await servicer.list_available_nodes(ListAvailableNodesRequest(page_size=1), call)
    token = first.next_page_token
    rest = await servicer.list_available_nodes(ListAvailableNodesRequest(page_token=token), call)
    assert [node.class_name for node in (*first.nodes, *rest.nodes)] == ["Detector", "Scale"]
    named = ListAvailableNodesRequest(session_id=app.session().session_id)
    assert len((await servicer.list_available_nodes(named, call)).nodes) == 2
    with pytest.raises(Failure, match="not found"):
        await servicer.list_available_nodes(ListAvailableNodesRequest(session_id="unknown"), call)
