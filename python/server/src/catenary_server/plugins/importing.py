"""Runs the code of a plugin; for workers only."""

from __future__ import annotations

import importlib
import logging
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

from catenary_server.plugins.installed import GROUP, absent, look_up

if TYPE_CHECKING:
    from catenary_server.domain.plugin import InstalledPlugin

log = logging.getLogger(__name__)


def import_plugin(plugin: InstalledPlugin) -> object:
    """Import what a plugin's entry point names.

    Raises:
        Failure: PLUGIN_NOT_INSTALLED if what is installed now is not this plugin any more, or its code raises; the log
            has the traceback.
    """
    importlib.invalidate_caches()
    if look_up(plugin.name) != plugin:
        raise absent(
            plugin.name, "has changed on the server since it was loaded: clear its cache and load it in a new session"
        )
    try:
        return EntryPoint(plugin.name, plugin.entry_point, GROUP).load()
    except (Exception, SystemExit) as error:
        log.warning("plugin %r of %s cannot be imported", plugin.name, plugin.distribution, exc_info=error)
        raise absent(plugin.name, f"cannot be imported: its code fails with {type(error).__name__}") from error
