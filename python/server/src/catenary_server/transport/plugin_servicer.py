"""PluginService."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from catenary.v1 import plugin_service_pb2
from catenary_server.transport.codec.plugin import decode_manifest, encode_plugin

if TYPE_CHECKING:
    from catenary_server.application.plugins import Plugins
    from catenary_server.application.sessions import Sessions
    from catenary_server.domain.plugin import Plugin
    from catenary_server.transport.call import Call
    from catenary_server.transport.pages import Pages

PAGE_SIZE = 1000


class PluginServicer:
    """Loads and describes the plugins of sessions."""

    service = "catenary.v1.PluginService"

    def __init__(self, sessions: Sessions, plugins: Plugins, pages: Pages) -> None:
        self._sessions = sessions
        self._plugins = plugins
        self._pages = pages

    async def load_plugin(
        self, request: plugin_service_pb2.LoadPluginRequest, call: Call
    ) -> plugin_service_pb2.LoadPluginResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        plugin = await self._plugins.load(session, decode_manifest(request.manifest))
        return plugin_service_pb2.LoadPluginResponse(registered_plugin=plugin.name)

    async def list_loaded_plugins(
        self, request: plugin_service_pb2.ListLoadedPluginsRequest, call: Call
    ) -> plugin_service_pb2.ListLoadedPluginsResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        page, token = self._pages.cut(
            self._plugins.loaded(session),
            _name,
            size=request.page_size or PAGE_SIZE,
            token=request.page_token,
            selection=json.dumps([self.service, request.session_id]),
        )
        return plugin_service_pb2.ListLoadedPluginsResponse(
            plugins=[encode_plugin(plugin) for plugin in page], next_page_token=token
        )

    async def get_plugin_info(
        self, request: plugin_service_pb2.GetPluginInfoRequest, call: Call
    ) -> plugin_service_pb2.GetPluginInfoResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        plugin = self._plugins.find(session, request.plugin_name)
        return plugin_service_pb2.GetPluginInfoResponse(plugin=encode_plugin(plugin))

    async def clear_plugin_cache(
        self, request: plugin_service_pb2.ClearPluginCacheRequest, _call: Call
    ) -> plugin_service_pb2.ClearPluginCacheResponse:
        """See the contract."""
        cleared = self._plugins.clear(request.plugin_name)
        return plugin_service_pb2.ClearPluginCacheResponse(cleared_count=cleared)


def _name(plugin: Plugin) -> str:
    return plugin.name
