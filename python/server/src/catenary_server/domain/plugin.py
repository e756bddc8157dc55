"""Plugins: packages of node types that the operator installed beside the server and allowed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary_server.domain.node import NodeSpec


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PluginManifest:
    """Which plugin a session wants. `version` is a PEP 440 specifier, such as `>=1.2,<2`; empty = any."""

    name: str
    version: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class InstalledPlugin:
    """A plugin as its package describes it; nothing of its code has been run."""

    name: str
    distribution: str
    version: str
    digest: str
    """SHA-256 of the files of the distribution, in hexadecimal digits; empty where it does not hold its code."""
    entry_point: str
    """What to import, `module:attribute`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin with the node types that its code brings, by class name."""

    installed: InstalledPlugin
    nodes: Mapping[str, NodeSpec]

    @property
    def name(self) -> str:
        """Name of the plugin."""
        return self.installed.name


class PluginSource(Protocol):
    """What is installed and allowed. Never runs code of a plugin, and never reaches for a network."""

    @property
    def allowed(self) -> tuple[str, ...]:
        """Names of the plugins that the operator allows, sorted; they need not be installed."""
        ...

    def find(self, name: str) -> InstalledPlugin:
        """The plugin of that name.

        Raises:
            Failure: PLUGIN_NOT_ALLOWED; PLUGIN_NOT_INSTALLED if it is not there, not alone, or not what the operator
                allowed of it.
        """
        ...

    def require_version(self, plugin: InstalledPlugin, manifest: PluginManifest) -> None:
        """Check that a plugin is what a session wants.

        Raises:
            Failure: CONFIG_INVALID if the manifest's version is no specifier, PLUGIN_NOT_INSTALLED if it excludes the
                plugin's.
        """
        ...

    def refresh(self) -> None:
        """Look anew at what is installed, from now on."""
        ...
