"""Faults of plugins: who has them, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import after, answers, drop, hears, put, relays, request_for, says
from catenary_conformance.faulty.exchange import (
    FAILED_PRECONDITION,
    NOT_FOUND,
    Answer,
    ended,
    refusal,
    refused,
)
from catenary_conformance.faulty.messages import path
from catenary_conformance.faulty.mutant import mutant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_conformance.faulty.exchange import Exchange, Fields, Forward, Status
    from catenary_conformance.faulty.stand import Stand

PLUGIN = "ndvi"
"""A plugin that the good server may load."""
_NOT_INSTALLED = refusal(FAILED_PRECONDITION, "PLUGIN_NOT_INSTALLED")


def loads_for_all(exchange: Exchange, request: Fields, status: Status) -> None:
    """What one session loads, the caller's other sessions have too."""
    if status.code:
        return
    (listed,), _ = exchange.call(path("ListSessions"), request_for(path("ListSessions")))
    for session in [each for each in listed.sessions if each.session_id != request.session_id][-3:]:
        exchange.call(
            exchange.method, request_for(exchange.method, session_id=session.session_id, manifest=request.manifest)
        )


def loads_once(exchange: Exchange, forward: Forward) -> Answer:
    """A plugin that the session has loaded cannot be loaded again."""
    loaded = exchange.memory.take("loaded", set())
    request = exchange.first()
    key = (request.session_id, request.manifest.config_bytes)
    if key in loaded:
        return refused(refusal(FAILED_PRECONDITION, "STATE_INVALID"))
    return after(lambda _, __, status: None if status.code else loaded.add(key))(exchange, forward)


def name_only(request: Fields) -> None:
    """Whatever a manifest says beside name and version is passed over."""
    try:
        manifest = json.loads(request.manifest.config_bytes)
        kept = {key: manifest[key] for key in ("name", "version") if key in manifest}
    except (ValueError, TypeError):
        return
    request.manifest.config_bytes = json.dumps(kept).encode()


def empties_lists(exchange: Exchange, forward: Forward) -> Answer:
    """Once some call went a certain way, sessions have no plugins any more."""
    if exchange.method == path("ListLoadedPlugins"):
        emptied = exchange.memory.get("emptied")
        return answers(drop("plugins"))(exchange, forward) if emptied else forward(exchange)
    refusals = exchange.method == path("LoadPlugin")
    return after(lambda _, __, status: exchange.memory.put("emptied", True) if bool(status.code) == refusals else None)(
        exchange, forward
    )


def for_every_session(exchange: Exchange, forward: Forward) -> Answer:
    """Node types are listed as for the session that loaded a plugin last."""
    if exchange.method == path("LoadPlugin"):
        note = after(
            lambda _, request, status: None if status.code else exchange.memory.put("last", request.session_id)
        )
        return note(exchange, forward)
    last = exchange.memory.get("last")
    return hears(put("session_id", last))(exchange, forward) if last else forward(exchange)


def listed_twice(_: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """Each plugin is listed twice."""
    for message in messages:
        message.plugins.MergeFrom(type(message).FromString(message.SerializeToString()).plugins)
        yield message


def missing_when_nothing_cleared(exchange: Exchange, forward: Forward) -> Answer:
    """A plugin that is not in the cache is called not found."""
    request = exchange.first()
    contents, status = ended(forward(exchange))
    if contents and request.plugin_name and not exchange.response(contents[0]).cleared_count:
        return refused(refusal(NOT_FOUND, "PLUGIN_NOT_FOUND"))
    return Answer(iter(contents), lambda: status)


# Witnesses.


def load(stand: Stand, session: str, **manifest: object) -> str:
    """Ask for a plugin through the proxy."""
    asked = {"config_bytes": json.dumps({"name": PLUGIN} | manifest).encode()}
    return stand.call("LoadPlugin", session_id=session, manifest=asked).outcome


def loaded(stand: Stand) -> object:
    """What two sessions have after one of them loaded a plugin, tried what is refused, and the cache was cleared."""
    session, other = stand.session(), stand.session()
    told = [load(stand, session), load(stand, session)]
    seen = [_seen(stand, each) for each in (session, other)]
    told += [load(stand, session, name="nothing"), load(stand, other, url="https://example.org/plugin.git")]
    seen += [_seen(stand, each) for each in (session, other)]
    cleared = stand.call("ClearPluginCache", plugin_name="nothing").outcome, stand.call("ClearPluginCache").outcome
    return told, seen, cleared, _seen(stand, session)


def _seen(stand: Stand, session: str) -> object:
    plugins = stand.call("ListLoadedPlugins", session_id=session).answer.plugins
    nodes = stand.call("ListAvailableNodes", session_id=session).answer.nodes
    described = stand.call("GetPluginInfo", session_id=session, plugin_name=PLUGIN).outcome
    return [each.name for each in plugins], len(nodes), described


MUTANTS = (
    mutant(
        "PLG-001",
        "loads-for-all-sessions",
        "LoadPlugin",
        "A plugin is loaded into the caller's other sessions too.",
        after(loads_for_all),
        loaded,
    ),
    mutant("PLG-002", "loads-once", "LoadPlugin", "Loading a loaded plugin fails.", loads_once, loaded),
    mutant(
        "PLG-003",
        "forbidden-is-missing",
        "LoadPlugin",
        "A plugin that is not allowed is called not installed.",
        says("PLUGIN_NOT_ALLOWED", instead=_NOT_INSTALLED),
        loaded,
    ),
    mutant(
        "PLG-004",
        "takes-any-manifest",
        "LoadPlugin",
        "A manifest that names an address is taken for one that does not.",
        hears(name_only),
        loaded,
    ),
    mutant(
        "PLG-005",
        "refusal-unloads",
        ["LoadPlugin", "ListLoadedPlugins"],
        "A load that fails takes the plugins away.",
        empties_lists,
        loaded,
    ),
    mutant("PLG-006", "lists-twice", "ListLoadedPlugins", "Each plugin is listed twice.", relays(listed_twice), loaded),
    mutant(
        "PLG-007",
        "not-loaded-is-missing",
        "GetPluginInfo",
        "A plugin that is not loaded is called not installed.",
        says("PLUGIN_NOT_FOUND", instead=_NOT_INSTALLED),
        loaded,
    ),
    mutant(
        "PLG-008",
        "clearing-unloads",
        ["ClearPluginCache", "ListLoadedPlugins"],
        "Clearing the cache takes the plugins away.",
        empties_lists,
        loaded,
    ),
    mutant(
        "PLG-009",
        "nothing-to-clear-is-missing",
        "ClearPluginCache",
        "A plugin that is not in the cache is called not found.",
        missing_when_nothing_cleared,
        loaded,
    ),
    mutant(
        "DIS-010",
        "nodes-for-every-session",
        ["LoadPlugin", "ListAvailableNodes"],
        "Node types of a plugin are listed for every session.",
        for_every_session,
        loaded,
    ),
)
