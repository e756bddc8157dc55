"""What the scripted server answers about node types and plugins."""

from __future__ import annotations

from catenary.v1 import discovery_service_pb2 as discovery
from catenary.v1 import node_pb2, node_tag_pb2, tensor_pb2
from catenary.v1 import plugin_service_pb2 as plugin
from catenary.v1.plugin_pb2 import PluginInfo

CUBE = node_pb2.PortSpec(
    name="data", dtype=tensor_pb2.D_TYPE_FLOAT32, shape=[-1, -1, -1, -1], variadic=True, description="spectra"
)
NODES = [
    node_pb2.NodeInfo(
        class_name=name,
        category=node_pb2.NODE_CATEGORY_MODEL,
        plugin_name=owner,
        description="Scores.",
        citation="Somebody 1990",
        input_specs={"data": CUBE},
        params=[
            node_pb2.ParamSpec(name="eps", type="number", default_value="0.5", validation="> 0", description="ridge")
        ],
        tags=[node_tag_pb2.NODE_TAG_ANOMALY],
    )
    for name, owner in (("LAD", ""), ("NDVI", "ndvi"), ("RX", ""))
]


class NodeAnswers:
    """Two node types on a page; those of plugins only with a session. Every plugin is loaded."""

    def list_available_nodes(
        self, request: discovery.ListAvailableNodesRequest
    ) -> discovery.ListAvailableNodesResponse:
        known = [node for node in NODES if request.session_id or not node.plugin_name]
        start = int(request.page_token or 0)
        more = str(start + 2) if start + 2 < len(known) else ""
        return discovery.ListAvailableNodesResponse(nodes=known[start : start + 2], next_page_token=more)

    def load_plugin(self, _request: plugin.LoadPluginRequest) -> plugin.LoadPluginResponse:
        return plugin.LoadPluginResponse(registered_plugin="ndvi")

    def list_loaded_plugins(self, request: plugin.ListLoadedPluginsRequest) -> plugin.ListLoadedPluginsResponse:
        """One on a page, two in all."""
        if request.page_token:
            return plugin.ListLoadedPluginsResponse(plugins=[_info("sam")])
        return plugin.ListLoadedPluginsResponse(plugins=[_info("ndvi")], next_page_token="more")  # noqa: S106 - a page

    def get_plugin_info(self, request: plugin.GetPluginInfoRequest) -> plugin.GetPluginInfoResponse:
        return plugin.GetPluginInfoResponse(plugin=_info(request.plugin_name))

    def clear_plugin_cache(self, _request: plugin.ClearPluginCacheRequest) -> plugin.ClearPluginCacheResponse:
        return plugin.ClearPluginCacheResponse(cleared_count=2)


def _info(name: str) -> PluginInfo:
    return PluginInfo(name=name, type="entry_point", source=f"plugin-{name}", tag="1.0", capabilities=["A", "B"])
