"""DiscoveryService."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from catenary.v1 import discovery_service_pb2
from catenary_server.transport.codec.discovery import (
    PAGE_SIZE,
    encode_node,
    encode_pipeline,
    encode_server,
    encode_training,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary_server.application.discovery import Described, Discovery
    from catenary_server.domain.node import NodeSpec
    from catenary_server.domain.pipeline import PipelineFile
    from catenary_server.transport.call import Call
    from catenary_server.transport.interceptors.admission import Admission
    from catenary_server.transport.pages import Pages
    from catenary_server.transport.settings import MessageSizes


class ServerInfoServicer:
    """Tells clients what the server is: the part of discovery that every server has.

    Args:
        described: knows the server.
        capabilities: what the server claims; known once all servicers are.
        sizes: the limits that the server states.
        admission: knows what the caller has under way.
    """

    service = "catenary.v1.DiscoveryService"

    def __init__(
        self,
        described: Described,
        capabilities: Callable[[], frozenset[str]],
        sizes: MessageSizes,
        admission: Admission,
    ) -> None:
        self._described = described
        self._capabilities = capabilities
        self._sizes = sizes
        self._admission = admission

    async def get_server_info(
        self, _request: discovery_service_pb2.GetServerInfoRequest, call: Call
    ) -> discovery_service_pb2.GetServerInfoResponse:
        """See the contract."""
        facts = self._described.server(call.principal)
        use = self._admission.use(call.principal)
        return encode_server(facts, self._capabilities(), self._sizes, use, local=call.local)


class DiscoveryServicer(ServerInfoServicer):
    """Tells clients what they can ask for.

    Args:
        discovery: the use cases.
        capabilities: see `ServerInfoServicer`, also for sizes and admission.
        sizes: the limits that the server states.
        admission: knows what the caller has under way.
        pages: cuts lists.
    """

    def __init__(
        self,
        discovery: Discovery,
        capabilities: Callable[[], frozenset[str]],
        sizes: MessageSizes,
        admission: Admission,
        pages: Pages,
    ) -> None:
        super().__init__(discovery, capabilities, sizes, admission)
        self._discovery = discovery
        self._pages = pages

    async def list_available_nodes(
        self, request: discovery_service_pb2.ListAvailableNodesRequest, call: Call
    ) -> discovery_service_pb2.ListAvailableNodesResponse:
        """See the contract."""
        page, token = self._pages.cut(
            self._discovery.nodes(call.principal, request.session_id),
            _class_name,
            size=request.page_size or PAGE_SIZE,
            token=request.page_token,
            selection=json.dumps([self.service, request.session_id]),
        )
        return discovery_service_pb2.ListAvailableNodesResponse(
            nodes=[encode_node(spec) for spec in page], next_page_token=token
        )

    async def list_available_pipelines(
        self, request: discovery_service_pb2.ListAvailablePipelinesRequest, call: Call
    ) -> discovery_service_pb2.ListAvailablePipelinesResponse:
        """See the contract."""
        page, token = self._pages.cut(
            await self._discovery.pipelines(call.principal, request.filter_tag),
            _path,
            size=request.page_size or PAGE_SIZE,
            token=request.page_token,
            selection=json.dumps([self.service, call.principal, request.filter_tag]),
        )
        return discovery_service_pb2.ListAvailablePipelinesResponse(
            pipelines=[encode_pipeline(file, text=False) for file in page], next_page_token=token
        )

    async def get_pipeline_info(
        self, request: discovery_service_pb2.GetPipelineInfoRequest, call: Call
    ) -> discovery_service_pb2.GetPipelineInfoResponse:
        """See the contract."""
        file = await self._discovery.pipeline(call.principal, request.pipeline_path)
        return discovery_service_pb2.GetPipelineInfoResponse(pipeline_info=encode_pipeline(file, text=True))

    async def get_training_capabilities(
        self, _request: discovery_service_pb2.GetTrainingCapabilitiesRequest, _call: Call
    ) -> discovery_service_pb2.GetTrainingCapabilitiesResponse:
        """See the contract."""
        return encode_training(self._discovery.training())


def _path(file: PipelineFile) -> str:
    return file.path


def _class_name(spec: NodeSpec) -> str:
    return spec.class_name
