"""What a plugin exports, checked: node types that a pipeline can be made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from catenary_server.domain.failure import Failure, Reason, Resource
from catenary_server.nodes.node import Declaration, Node

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary_server.domain.plugin import InstalledPlugin


def no_plugins(plugin: InstalledPlugin) -> object:
    """Imports nothing, for an engine without plugins.

    Raises:
        Failure: PLUGIN_NOT_INSTALLED.
    """
    raise _unfit(plugin, "is not for this engine")


def plugin_types(
    plugin: InstalledPlugin, exported: object, known: Mapping[str, type[Node[Any]]]
) -> dict[str, type[Node[Any]]]:
    """The node types that a plugin exports, by class name.

    Args:
        plugin: whose they are.
        exported: what its entry point names: a node type, or several.
        known: node types that are there already; their names are taken.

    Raises:
        Failure: PLUGIN_NOT_INSTALLED if something else is exported, or a name is taken.
    """
    listed: Iterable[object] = exported if isinstance(exported, Iterable) else (exported,)
    types: dict[str, type[Node[Any]]] = {}
    for each in listed:
        if not (isinstance(each, type) and issubclass(each, Node) and _declares(each)):
            raise _unfit(plugin, f"exports a {type(each).__name__} that is no node type with a declaration")
        if each.__name__ in known or each.__name__ in types:
            raise _unfit(plugin, f"exports a node type {each.__name__}, a name that is taken")
        types[each.__name__] = each
    if not types:
        raise _unfit(plugin, "exports no node types")
    return types


def _declares(node_type: type[Node[Any]]) -> bool:
    return isinstance(getattr(node_type, "declaration", None), Declaration)


def _unfit(plugin: InstalledPlugin, description: str) -> Failure:
    return Failure(
        Reason.PLUGIN_NOT_INSTALLED,
        f"plugin {plugin.name!r} cannot be used: it {description}",
        resource=Resource("plugin", plugin.name),
    )
