"""Plugins that are installed and allowed because a test says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.node import NodeCategory, NodeSpec, PortSpec
from catenary_server.domain.plugin import InstalledPlugin
from catenary_server.domain.tensor import DType

if TYPE_CHECKING:
    from catenary_server.domain.plugin import PluginManifest

CUBE = PortSpec(name="cube", dtype=DType.FLOAT32, shape=(-1, -1, -1, -1), description="the cube")


def installed(name: str, version: str = "1.0") -> InstalledPlugin:
    """A plugin of a distribution named like it."""
    return InstalledPlugin(
        name=name, distribution=f"plugin-{name}", version=version, digest="", entry_point=f"{name}:NODES"
    )


def node_of(plugin: InstalledPlugin, class_name: str) -> NodeSpec:
    """A node type that passes cubes on."""
    return NodeSpec(
        class_name=class_name,
        full_path=f"{plugin.name}.{class_name}",
        category=NodeCategory.TRANSFORM,
        description="Of a plugin.",
        inputs=(CUBE,),
        outputs=(CUBE,),
        source="plugin",
        plugin_name=plugin.name,
    )


class FakePlugins:
    """Implements `domain.plugin.PluginSource`. What is not in `plugins` is not installed."""

    def __init__(self) -> None:
        self.allowed: tuple[str, ...] = ()
        self.plugins: dict[str, InstalledPlugin] = {}
        self.refreshed = 0

    def install(self, *names: str) -> None:
        """Install and allow plugins."""
        self.plugins |= {name: installed(name) for name in names}
        self.allowed = tuple(sorted({*self.allowed, *names}))

    def find(self, name: str) -> InstalledPlugin:
        if name not in self.allowed:
            raise Failure(Reason.PLUGIN_NOT_ALLOWED, f"plugin {name!r} is not allowed")
        if name not in self.plugins:
            raise Failure(Reason.PLUGIN_NOT_INSTALLED, f"plugin {name!r} is not installed")
        return self.plugins[name]

    def require_version(self, plugin: InstalledPlugin, manifest: PluginManifest) -> None:
        if manifest.version not in ("", plugin.version):
            raise Failure(Reason.PLUGIN_NOT_INSTALLED, f"plugin {plugin.name!r} is version {plugin.version}")

    def refresh(self) -> None:
        self.refreshed += 1
