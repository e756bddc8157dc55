from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from application import OWNER, Application, content
from fake_runtime import CATALOG

from catenary.v1 import discovery_pb2, node_pb2, node_tag_pb2, tensor_pb2
from catenary.v1.discovery_service_pb2 import ListAvailableNodesRequest
from catenary_server.domain.failure import Failure
from catenary_server.transport.call import Call
from catenary_server.transport.codec.capabilities import DESCRIPTIONS
from catenary_server.transport.codec.discovery import encode_node
from catenary_server.transport.discovery_servicer import DiscoveryServicer
from catenary_server.transport.front_end import build_routes
from catenary_server.transport.interceptors.admission import Admission
from catenary_server.transport.methods import contract_methods
from catenary_server.transport.pages import Pages
from catenary_server.transport.settings import CallLimits, MessageSizes

if TYPE_CHECKING:
    from pathlib import Path

    from application import Application
    from wire_client import WireClient

    from catenary_server.transport.services import Services


async def test_the_server_says_who_it_is_what_it_claims_and_its_limits(
    client: WireClient, session_id: str, services: Services
) -> None:
    info = await client.call("GetServerInfo")
    assert info.server_name == "catenary"
    assert info.server_version
    assert info.contract_version
    assert [each.name for each in info.capabilities] == sorted(build_routes(services, MessageSizes()).capabilities)
    assert all(each.revision == 1 and each.description for each in info.capabilities)
    assert info.limits.messages.control_size_bytes == MessageSizes().control
    assert info.limits.sessions.principal.used == 1
    assert info.limits.workers.total == info.limits.training.total == info.limits.sessions.server.total
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


async def test_saved_pipelines_are_listed_in_pages_and_told_with_their_text(
    client: WireClient, session_id: str, tmp_path: Path
) -> None:
    await client.call("LoadPipeline", session_id=session_id, pipeline={"config_bytes": content()})
    for name in ("b", "a", "c"):
        await client.call("SavePipeline", session_id=session_id, pipeline_path=name, metadata={"tags": [f"t{name}"]})
    first = await client.call("ListAvailablePipelines", page_size=2)
    rest = await client.call("ListAvailablePipelines", page_size=2, page_token=first.next_page_token)
    listed = [*first.pipelines, *rest.pipelines]
    assert [each.pipeline_path for each in listed] == ["a.yaml", "b.yaml", "c.yaml"]
    assert all(each.weights_path and not each.yaml_content for each in listed)
    tagged = await client.call("ListAvailablePipelines", filter_tag="tb")
    assert [each.pipeline_path for each in tagged.pipelines] == ["b.yaml"]
    info = (await client.call("GetPipelineInfo", pipeline_path="b")).pipeline_info
    assert info.yaml_content == (tmp_path / "artifacts" / "b.yaml").read_text()
    assert info.metadata.catenary_version
    assert (await client.failure("GetPipelineInfo", pipeline_path="nothing")).reason == "CONFIG_NOT_FOUND"


async def test_what_a_training_may_use_is_told(client: WireClient) -> None:
    answer = await client.call("GetTrainingCapabilities")
    assert "adam" in answer.supported_optimizers
    assert "cosine" in answer.supported_schedulers
    assert "early_stopping" in [each.type for each in answer.supported_callbacks]
    assert "lr" in [each.name for each in answer.optimizer_params.parameters]
    assert "gamma" in [each.name for each in answer.scheduler_params.parameters]
    npz, cu3s = answer.data_readers
    assert (npz.suffix, npz.missing_requirement) == (".npz", "")
    assert (cu3s.missing_requirement, cu3s.default_processing_mode) == (
        "install it",
        discovery_pb2.PROCESSING_MODE_REFLECTANCE,
    )


def test_every_capability_of_the_contract_is_described() -> None:
    assert set(DESCRIPTIONS) == {method.capability for method in contract_methods().values()} - {""}
