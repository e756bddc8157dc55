"""Plugins of a session: loaded, listed, described."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from catenary.v1 import plugin_service_pb2 as plugin
from catenary.v1.plugin_pb2 import PluginInfo, PluginManifest
from catenary.v1.plugin_service_pb2_grpc import PluginServiceStub
from catenary_client.nodes import list_nodes
from catenary_client.session_calls import SessionCalls

if TYPE_CHECKING:
    from catenary_client.nodes import NodeType


@dataclasses.dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that a session has loaded."""

    name: str
    distribution: str
    """The installed package that brings it."""
    version: str
    """Version of that package."""
    node_types: tuple[str, ...]
    """Class names of its node types."""

    @staticmethod
    def of(info: PluginInfo) -> Plugin:
        """From the description that the server gave."""
        return Plugin(info.name, info.source, info.tag, tuple(info.capabilities))


class PluginCalls(SessionCalls):
    """The part of a session that deals with plugins and the node types that it may use."""

    async def load_plugin(self, name: str, *, version: str = "") -> None:
        """Make the node types of a plugin known to the session; loading again changes nothing.

        Args:
            name: a plugin that the operator installed and allowed.
            version: a PEP 440 specifier, such as `>=1.2,<2`; empty takes any.

        Raises:
            PermissionDeniedError: the operator does not allow it.
            PreconditionError: it is not there, or in another version.
        """
        manifest = {"name": name, "version": version} if version else {"name": name}
        await self._caller.unary(
            PluginServiceStub(self._channel).LoadPlugin,
            plugin.LoadPluginRequest(
                session_id=self.session_id, manifest=PluginManifest(config_bytes=json.dumps(manifest).encode())
            ),
        )

    async def plugins(self) -> list[Plugin]:
        """The plugins that the session has loaded, sorted by name."""
        found: list[Plugin] = []
        token = ""
        while True:
            page = await self._caller.unary(
                PluginServiceStub(self._channel).ListLoadedPlugins,
                plugin.ListLoadedPluginsRequest(session_id=self.session_id, page_token=token),
            )
            found += map(Plugin.of, page.plugins)
            token = page.next_page_token
            if not token:
                return found

    async def plugin(self, name: str) -> Plugin:
        """One plugin that the session has loaded.

        Raises:
            NotFoundError: it has not.
        """
        response = await self._caller.unary(
            PluginServiceStub(self._channel).GetPluginInfo,
            plugin.GetPluginInfoRequest(session_id=self.session_id, plugin_name=name),
        )
        return Plugin.of(response.plugin)

    async def nodes(self) -> list[NodeType]:
        """Node types that the session's pipelines can be made of, those of its plugins too, sorted by class name."""
        return await list_nodes(self._channel, self._caller, self.session_id)
