"""Finds plugins among the installed packages, by their metadata alone."""

from __future__ import annotations

import importlib
import threading
from importlib import metadata
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion

from catenary_server.domain.failure import Failure, Reason, Resource, Violation
from catenary_server.domain.plugin import InstalledPlugin, PluginManifest
from catenary_server.plugins.digest import content_digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catenary_server.plugins.allowance import Allowance

GROUP = "catenary.nodes"
"""Entry points of plugins: name = plugin, value = a sequence of node types."""


class InstalledPlugins:
    """Implements `domain.plugin.PluginSource` with the packages of this Python.

    Args:
        allowances: what the operator allows; of one name, any may fit.
    """

    def __init__(self, allowances: Iterable[Allowance] = ()) -> None:
        self._allowances: dict[str, list[Allowance]] = {}
        for allowance in allowances:
            self._allowances.setdefault(allowance.name, []).append(allowance)
        self._found: dict[str, InstalledPlugin] = {}
        self._looking = threading.Lock()

    @property
    def allowed(self) -> tuple[str, ...]:
        """See `PluginSource.allowed`."""
        return tuple(sorted(self._allowances))

    def find(self, name: str) -> InstalledPlugin:
        """See `PluginSource.find`. May be called from any thread."""
        allowances = self._allowances.get(name)
        if not allowances:
            raise Failure(
                Reason.PLUGIN_NOT_ALLOWED, f"plugin {name!r} is not allowed here: ask the operator, or leave it out"
            )
        with self._looking:
            if name not in self._found:
                self._found[name] = look_up(name)
            plugin = self._found[name]
        if not any(_fits(plugin, allowance) for allowance in allowances):
            raise absent(name, f"is installed as version {plugin.version}, whose version or content is not allowed")
        return plugin

    def require_version(self, plugin: InstalledPlugin, manifest: PluginManifest) -> None:
        """See `PluginSource.require_version`."""
        try:
            wanted = SpecifierSet(manifest.version)
        except InvalidSpecifier as error:
            fault = Violation("version", f"{manifest.version!r} is no version specifier such as >=1.2,<2")
            raise Failure(
                Reason.CONFIG_INVALID, f"{fault.subject}: {fault.description}", violations=(fault,)
            ) from error
        if not _contains(wanted, plugin.version):
            raise absent(plugin.name, f"is installed as version {plugin.version}, which {manifest.version!r} excludes")

    def refresh(self) -> None:
        """See `PluginSource.refresh`."""
        importlib.invalidate_caches()
        with self._looking:
            self._found.clear()


def look_up(name: str) -> InstalledPlugin:
    """A plugin as it is installed now, whoever allows it.

    Raises:
        Failure: PLUGIN_NOT_INSTALLED.
    """
    points = [point for point in metadata.entry_points(group=GROUP, name=name) if point.dist is not None]
    if not points:
        raise absent(name, "is not installed: ask the operator to install it")
    if len(points) > 1:
        brought_by = ", ".join(sorted(point.dist.name for point in points if point.dist is not None))
        raise absent(name, f"is installed more than once, by {brought_by}: one of them must go")
    (point,) = points
    assert point.dist is not None  # noqa: S101 - filtered above
    try:
        digest = content_digest(point.dist)
    except OSError as error:
        raise absent(name, "is damaged, files of its package are missing: ask the operator to install it again") from (
            error
        )
    return InstalledPlugin(
        name=name,
        distribution=point.dist.name,
        version=point.dist.version,
        digest=digest,
        entry_point=point.value,
    )


def absent(name: str, description: str) -> Failure:
    """PLUGIN_NOT_INSTALLED, with what is the matter with the plugin."""
    return Failure(
        Reason.PLUGIN_NOT_INSTALLED,
        f"plugin {name!r} {description}",
        resource=Resource("plugin", name),
        violations=(Violation(f"plugins.{name}", description),),
    )


def _fits(plugin: InstalledPlugin, allowance: Allowance) -> bool:
    return _contains(allowance.versions, plugin.version) and allowance.digest in ("", plugin.digest)


def _contains(versions: SpecifierSet, version: str) -> bool:
    try:
        return versions.contains(version, prereleases=True)
    except InvalidVersion:
        return not str(versions)
