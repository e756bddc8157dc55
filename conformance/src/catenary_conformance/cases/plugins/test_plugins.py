"""Plugins that the operator allows can be loaded; nothing else can, and nothing is ever fetched."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from catenary.v1.discovery_service_pb2 import ListAvailableNodesRequest
from catenary.v1.plugin_pb2 import PluginInfo, PluginManifest
from catenary.v1.plugin_service_pb2 import (
    ClearPluginCacheRequest,
    GetPluginInfoRequest,
    ListLoadedPluginsRequest,
    LoadPluginRequest,
)
from catenary_conformance import rpcs
from catenary_conformance.pages import walk
from catenary_conformance.presuming import presuming
from catenary_conformance.requirement import capability, requirement
from catenary_conformance.workload import canonical

if TYPE_CHECKING:
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Json, Workload


@pytest.fixture
def allowed(pytestconfig: pytest.Config) -> str:
    """Name of a plugin that the target allows."""
    name: str = pytestconfig.getoption("--plugin")
    if not name:
        pytest.skip("no plugin is named that the target allows; name one with --plugin")
    return name


def _load(session_id: str, manifest: Json) -> LoadPluginRequest:
    return LoadPluginRequest(session_id=session_id, manifest=PluginManifest(config_bytes=canonical(manifest)))


def _loaded(target: Target, session_id: str) -> list[PluginInfo]:
    listed = walk(target, rpcs.LIST_LOADED_PLUGINS, "plugins", session_id=session_id)
    with presuming("CAT-PLG-006"):
        assert len({each.name for each in listed}) == len(listed), "a plugin is listed twice"
    return listed


def _node_types(target: Target, session_id: str) -> dict[str, str]:
    """Plugins that bring node types, by the class names."""
    nodes = walk(target, rpcs.LIST_NODES, "nodes", session_id=session_id)
    return {each.class_name: each.plugin_name for each in nodes if each.plugin_name}


@requirement("CAT-PLG-001", "CAT-PLG-002")
def test_a_loaded_plugin_is_listed_once_and_described(target: Target, session: str, allowed: str) -> None:
    for _ in range(2):
        answer = rpcs.LOAD_PLUGIN.ok(target, _load(session, {"name": allowed}))
        assert answer.registered_plugin == allowed
        (found,) = _loaded(target, session)
        assert found.name == allowed
        assert list(found.capabilities) == sorted(found.capabilities)
    request = GetPluginInfoRequest(session_id=session, plugin_name=allowed)
    assert rpcs.GET_PLUGIN_INFO.ok(target, request).plugin == found


@requirement("CAT-PLG-001", "CAT-DIS-010")
@capability("discovery")
def test_its_node_types_are_of_the_session_that_loaded_it_and_of_no_other(
    target: Target, workload: Workload, session: str, allowed: str
) -> None:
    earlier = workload.open_session()
    rpcs.LOAD_PLUGIN.ok(target, _load(session, {"name": allowed}))
    (plugin,) = _loaded(target, session)
    mine = _node_types(target, session)
    assert set(mine) == set(plugin.capabilities)
    assert set(mine.values()) == {allowed}
    for other in (earlier, workload.open_session()):
        assert not _node_types(target, other)
        assert not _loaded(target, other)
    assert not _node_types(target, "")


@requirement("CAT-PLG-006")
def test_following_the_page_tokens_gives_every_loaded_plugin_once(target: Target, session: str, allowed: str) -> None:
    rpcs.LOAD_PLUGIN.ok(target, _load(session, {"name": allowed}))
    whole = _loaded(target, session)
    paged = walk(target, rpcs.LIST_LOADED_PLUGINS, "plugins", page_size=1, session_id=session)
    assert paged == whole
    assert [each.name for each in whole] == sorted({each.name for each in whole})


@requirement("CAT-PLG-006")
def test_a_session_that_loaded_none_lists_none_and_takes_no_strange_page_token(target: Target, session: str) -> None:
    assert _loaded(target, session) == []
    request = ListLoadedPluginsRequest(session_id=session, page_token=target.unique("token"))
    rpcs.LIST_LOADED_PLUGINS.refused(target, request, reason="FIELD_INVALID")


@requirement("CAT-PLG-003", "CAT-PLG-005")
@pytest.mark.parametrize("name", ["os", "no-such-plugin", "pytest", "../plugin"])
def test_a_plugin_that_is_not_allowed_is_refused(target: Target, session: str, name: str) -> None:
    before = _loaded(target, session)
    answer = rpcs.LOAD_PLUGIN.answer(target, _load(session, {"name": name}))
    assert answer.reason in {"PLUGIN_NOT_ALLOWED", "CONFIG_INVALID"}, f"{answer}"
    assert _loaded(target, session) == before


@requirement("CAT-PLG-003")
def test_a_plugin_that_is_not_allowed_is_a_matter_of_permission(target: Target, session: str) -> None:
    rpcs.LOAD_PLUGIN.refused(target, _load(session, {"name": "conformance-stranger"}), reason="PLUGIN_NOT_ALLOWED")


@requirement("CAT-PLG-004", "CAT-PLG-005")
@pytest.mark.parametrize("key", ["repo", "url", "path", "git", "source"])
def test_a_manifest_that_names_a_place_is_refused_and_no_connection_is_opened(
    target: Target, session: str, key: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        place = f"http://127.0.0.1:{listener.getsockname()[1]}/plugin.git"
        manifest = {"name": "conformance-stranger", key: place}
        rpcs.LOAD_PLUGIN.refused(target, _load(session, manifest), reason="CONFIG_INVALID")
        with pytest.raises(TimeoutError):
            listener.accept()
    assert _loaded(target, session) == []


@requirement("CAT-PLG-005")
@pytest.mark.parametrize("content", [b"[]", b"{", b"{}", b'{"name": 3}', b'{"name": ""}', b"\xff"])
def test_a_manifest_that_is_none_is_refused(target: Target, session: str, content: bytes) -> None:
    request = LoadPluginRequest(session_id=session, manifest=PluginManifest(config_bytes=content))
    rpcs.LOAD_PLUGIN.refused(target, request, reason="CONFIG_INVALID")
    assert _loaded(target, session) == []


@requirement("CAT-PLG-005")
def test_a_version_that_is_not_installed_is_refused_and_leaves_the_session_as_it_was(
    target: Target, session: str, allowed: str
) -> None:
    wrong = _load(session, {"name": allowed, "version": "==9999.0"})
    rpcs.LOAD_PLUGIN.refused(target, wrong, reason="PLUGIN_NOT_INSTALLED")
    assert _loaded(target, session) == []


@requirement("CAT-PLG-005")
def test_a_load_that_fails_leaves_the_plugin_that_was_loaded(target: Target, session: str, allowed: str) -> None:
    rpcs.LOAD_PLUGIN.ok(target, _load(session, {"name": allowed}))
    stranger = rpcs.LOAD_PLUGIN.answer(target, _load(session, {"name": "conformance-stranger"}))
    assert not stranger.ok, "a plugin that there is not was loaded"
    assert [each.name for each in _loaded(target, session)] == [allowed]


@requirement("CAT-PLG-007")
def test_a_plugin_that_the_session_has_not_loaded_is_not_found(target: Target, session: str) -> None:
    request = GetPluginInfoRequest(session_id=session, plugin_name="conformance-stranger")
    rpcs.GET_PLUGIN_INFO.refused(target, request, reason="PLUGIN_NOT_FOUND")


@requirement("CAT-PLG-007")
def test_an_installed_plugin_that_the_session_has_not_loaded_is_not_found(
    target: Target, session: str, allowed: str
) -> None:
    request = GetPluginInfoRequest(session_id=session, plugin_name=allowed)
    rpcs.GET_PLUGIN_INFO.refused(target, request, reason="PLUGIN_NOT_FOUND")


@requirement("CAT-PLG-008")
def test_sessions_keep_the_plugins_they_loaded_when_the_cache_is_cleared(
    target: Target, session: str, allowed: str
) -> None:
    rpcs.LOAD_PLUGIN.ok(target, _load(session, {"name": allowed}))
    before = _loaded(target, session)
    rpcs.CLEAR_PLUGIN_CACHE.ok(target, ClearPluginCacheRequest())
    with presuming("CAT-PLG-009"):
        rpcs.CLEAR_PLUGIN_CACHE.ok(target, ClearPluginCacheRequest(plugin_name=allowed))
    assert _loaded(target, session) == before
    rpcs.LIST_NODES.ok(target, ListAvailableNodesRequest(session_id=session))


@requirement("CAT-PLG-009")
def test_clearing_what_is_not_in_the_cache_clears_nothing(target: Target) -> None:
    request = ClearPluginCacheRequest(plugin_name=target.unique("plugin"))
    assert rpcs.CLEAR_PLUGIN_CACHE.ok(target, request).cleared_count == 0
    rpcs.CLEAR_PLUGIN_CACHE.ok(target, ClearPluginCacheRequest())
    assert rpcs.CLEAR_PLUGIN_CACHE.ok(target, ClearPluginCacheRequest()).cleared_count == 0
