"""Plugins of a session: loaded, listed, described; and what the server remembers of them."""

from __future__ import annotations

import asyncio
import collections
import logging
from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure, Reason, Resource, Violation
from catenary_server.domain.plugin import Plugin
from catenary_server.domain.session import SessionState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary_server.application.session import Session
    from catenary_server.domain.node import NodeSpec
    from catenary_server.domain.pipeline import PipelineConfig
    from catenary_server.domain.plugin import InstalledPlugin, PluginManifest, PluginSource
    from catenary_server.domain.runtime import Catalog, Runtime

IMPORT_SECONDS = 60.0
"""How long the code of a plugin may take to be imported, so that one that hangs holds up no caller for ever."""

log = logging.getLogger(__name__)


class Plugins:
    """Gives sessions the node types of allowed plugins. Code of a plugin runs in workers, never in the front end."""

    def __init__(self, *, source: PluginSource, runtime: Runtime, catalog: Catalog) -> None:
        self._source = source
        self._runtime = runtime
        self._catalog = catalog
        self._known: dict[str, Plugin] = {}
        self._describing: dict[str, asyncio.Lock] = collections.defaultdict(asyncio.Lock)

    async def describe_allowed(self) -> None:
        """Describe every allowed plugin and log what the operator should know; a plugin that fails stops no other."""
        for name in self._source.allowed:
            try:
                plugin = await self._describe(await asyncio.to_thread(self._source.find, name))
            except Failure as failure:
                log.warning("%s", failure.message)
            else:
                found = plugin.installed
                log.info(
                    "Plugin %s: %s %s, sha256:%s, node types %s",
                    *(name, found.distribution, found.version, found.digest or "-", ", ".join(sorted(plugin.nodes))),
                )

    async def load(self, session: Session, manifest: PluginManifest) -> Plugin:
        """Make the node types of a plugin known to a session; of a loaded one nothing changes.

        Raises:
            Failure: PLUGIN_NOT_ALLOWED, PLUGIN_NOT_INSTALLED, CONFIG_INVALID, SESSION_CLOSING.
        """
        _require_open(session)
        loaded = session.plugins.get(manifest.name)
        if loaded is not None:
            self._source.require_version(loaded.installed, manifest)
            return loaded
        installed = await asyncio.to_thread(self._source.find, manifest.name)
        self._source.require_version(installed, manifest)
        plugin = await self._describe(installed)
        _require_open(session)
        _refuse_taken_names(session, plugin)
        # Of two loads at once the first one counts.
        return session.plugins.setdefault(plugin.name, plugin)

    def loaded(self, session: Session) -> tuple[Plugin, ...]:
        """The plugins of a session. SESSION_CLOSING while it is being closed."""
        _require_open(session)
        return tuple(session.plugins.values())

    def find(self, session: Session, name: str) -> Plugin:
        """A plugin that a session has loaded.

        Raises:
            Failure: PLUGIN_NOT_FOUND, SESSION_CLOSING.
        """
        _require_open(session)
        plugin = session.plugins.get(name)
        if plugin is None:
            raise Failure(
                Reason.PLUGIN_NOT_FOUND,
                f"the session has loaded no plugin {name!r}; ListLoadedPlugins says which it has",
                resource=Resource("plugin", name),
            )
        return plugin

    def clear(self, name: str = "") -> int:
        """Forget what is known of a plugin, or of all; sessions keep what they have loaded. Returns how many."""
        self._source.refresh()
        names = [name] if name else list(self._known)
        return sum(self._known.pop(each, None) is not None for each in names)

    def types(self, session: Session, config: PipelineConfig) -> Mapping[str, NodeSpec]:
        """Node types that a session may use, by class name, for a pipeline that it wants.

        Raises:
            Failure: PLUGIN_NOT_INSTALLED if the pipeline needs an allowed plugin that the session has not loaded.
        """
        types = {**self._catalog.nodes, **session.plugin_nodes()}
        owners = {node: plugin.name for plugin in self._known.values() for node in plugin.nodes}
        missing = tuple(
            Violation(
                f"nodes.{index}.class_name",
                f"{node.type_name} is of plugin {owners[node.type_name]!r}, which this session has not loaded: "
                "call LoadPlugin first",
            )
            for index, node in enumerate(config.nodes)
            if node.type_name not in types and node.type_name in owners
        )
        if missing:
            raise Failure(Reason.PLUGIN_NOT_INSTALLED, missing[0].description, violations=missing)
        return types

    async def _describe(self, installed: InstalledPlugin) -> Plugin:
        """The node types of a plugin, learnt in a process that serves no session."""
        async with self._describing[installed.name]:
            known = self._known.get(installed.name)
            if known is not None and known.installed == installed:
                return known
            worker = await self._runtime.start_worker(device="cpu", on_lost=lambda _: None)
            try:
                async with asyncio.timeout(IMPORT_SECONDS):
                    plugin = Plugin(installed, await worker.load_plugin(installed))
            except TimeoutError as error:
                raise _unusable(installed, f"its code is not imported after {IMPORT_SECONDS:g} s") from error
            except Failure as failure:
                if failure.reason is not Reason.WORKER_CRASHED:
                    raise
                # It would take the process of a session down as well.
                raise _unusable(installed, "the process that imports it ends") from failure
            finally:
                await worker.close()
            self._known[installed.name] = plugin
            return plugin


def _unusable(installed: InstalledPlugin, description: str) -> Failure:
    return Failure(
        Reason.PLUGIN_NOT_INSTALLED,
        f"plugin {installed.name!r} cannot be used: {description}",
        resource=Resource("plugin", installed.name),
    )


def _refuse_taken_names(session: Session, plugin: Plugin) -> None:
    taken = sorted(session.plugin_nodes().keys() & plugin.nodes.keys()) if plugin.name not in session.plugins else []
    if taken:
        other = session.plugin_nodes()[taken[0]].plugin_name
        raise Failure(
            Reason.PLUGIN_NOT_INSTALLED,
            f"plugin {plugin.name!r} cannot be loaded beside {other!r}: both bring {', '.join(taken)}; "
            "use two sessions",
            resource=Resource("plugin", plugin.name),
        )


def _require_open(session: Session) -> None:
    if session.state is SessionState.CLOSING:
        raise session.closing_failure()
