from __future__ import annotations

import asyncio

import pytest
from application import OWNER, Application, content
from fake_configs import PIPELINE
from fake_plugins import installed

from catenary_server.application import plugins as plugins_module
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.plugin import PluginManifest

NDVI = PluginManifest(name="ndvi")


@pytest.fixture
def app(app: Application) -> Application:
    """Two installed plugins with one node type each, and a third that brings a node type of the first."""
    app.plugin_source.install("ndvi", "sam", "twin")
    app.runtime.exports = {"ndvi": ("NDVI",), "sam": ("Angles",), "twin": ("NDVI", "More")}
    return app


def pipeline(class_name: str) -> bytes:
    return content(PIPELINE | {"nodes": [{"name": "only", "class_name": class_name}], "connections": []})


async def failure_of(app: Application, manifest: PluginManifest) -> Failure:
    with pytest.raises(Failure) as caught:
        await app.plugins.load(app.session(), manifest)
    return caught.value


async def test_a_loaded_plugin_is_listed_and_found_in_its_session_only(app: Application) -> None:
    session, other = app.session(), app.session()
    plugin = await app.plugins.load(session, NDVI)
    assert app.plugins.loaded(session) == (plugin,)
    assert app.plugins.find(session, "ndvi") is plugin
    assert app.plugins.loaded(other) == ()
    with pytest.raises(Failure) as caught:
        app.plugins.find(other, "ndvi")
    assert caught.value.reason is Reason.PLUGIN_NOT_FOUND


async def test_its_node_types_can_be_used_in_its_session_only(app: Application) -> None:
    session, other = app.session(), app.session()
    await app.plugins.load(session, NDVI)
    await app.pipelines.load_bytes(session, pipeline("some.module.NDVI"))
    assert app.runtime.worker.plugins == [installed("ndvi")]
    assert [spec.class_name for spec in app.discovery.nodes(OWNER, session.session_id)] == ["Detector", "NDVI", "Scale"]
    assert [spec.class_name for spec in app.discovery.nodes(OWNER, other.session_id)] == ["Detector", "Scale"]
    assert [spec.class_name for spec in app.discovery.nodes(OWNER, "")] == ["Detector", "Scale"]
    with pytest.raises(Failure) as caught:
        await app.pipelines.load_bytes(other, pipeline("NDVI"))
    assert caught.value.reason is Reason.PLUGIN_NOT_INSTALLED
    assert "call LoadPlugin" in caught.value.message
    assert caught.value.violations[0].subject == "nodes.0.class_name"


async def test_a_node_type_that_nobody_knows_is_unknown(app: Application) -> None:
    with pytest.raises(Failure) as caught:
        await app.pipelines.load_bytes(app.session(), pipeline("NDVI"))
    assert caught.value.reason is Reason.NODE_TYPE_UNKNOWN


async def test_a_pipeline_without_nodes_of_a_plugin_imports_nothing(app: Application) -> None:
    session = app.session()
    await app.plugins.load(session, NDVI)
    await app.pipelines.load_bytes(session, content())
    assert app.runtime.worker.plugins == []


async def test_a_worker_that_gets_another_pipeline_imports_what_that_needs(app: Application) -> None:
    session = app.session()
    await app.pipelines.load_bytes(session, content())
    worker = app.runtime.worker
    await app.plugins.load(session, NDVI)
    await app.pipelines.load_bytes(session, pipeline("NDVI"))
    assert worker.plugins == [installed("ndvi")]
    assert session.pipeline is not None
    assert session.pipeline.worker is worker


async def test_loading_again_changes_nothing_even_when_another_version_is_installed_meanwhile(app: Application) -> None:
    session = app.session()
    first = await app.plugins.load(session, NDVI)
    app.plugin_source.plugins["ndvi"] = installed("ndvi", "2.0")
    assert await app.plugins.load(session, NDVI) is first
    with pytest.raises(Failure) as caught:
        await app.plugins.load(session, PluginManifest(name="ndvi", version="2.0"))
    assert caught.value.reason is Reason.PLUGIN_NOT_INSTALLED
    assert app.plugins.loaded(session) == (first,)
    newer = await app.plugins.load(app.session(), PluginManifest(name="ndvi", version="2.0"))
    assert newer.installed.version == "2.0"


async def test_a_plugin_is_described_once_and_the_process_that_did_it_ends(app: Application) -> None:
    await asyncio.gather(*(app.plugins.load(app.session(), NDVI) for _ in range(3)))
    assert len(app.runtime.workers) == 1
    assert app.runtime.worker.closed


async def test_what_is_not_allowed_or_not_there_is_refused_and_nothing_is_imported(app: Application) -> None:
    app.plugin_source.allowed = (*app.plugin_source.allowed, "ghost")
    assert (await failure_of(app, PluginManifest(name="other"))).reason is Reason.PLUGIN_NOT_ALLOWED
    assert (await failure_of(app, PluginManifest(name="ghost"))).reason is Reason.PLUGIN_NOT_INSTALLED
    assert (await failure_of(app, PluginManifest(name="ndvi", version="9"))).reason is Reason.PLUGIN_NOT_INSTALLED
    assert app.runtime.workers == []


async def test_a_plugin_whose_import_ends_the_process_is_unusable_and_the_session_is_as_before(
    app: Application,
) -> None:
    app.runtime.faults["load_plugin"] = Failure(Reason.WORKER_CRASHED, "the process ended")
    session = app.session()
    with pytest.raises(Failure) as caught:
        await app.plugins.load(session, NDVI)
    assert caught.value.reason is Reason.PLUGIN_NOT_INSTALLED
    assert app.plugins.loaded(session) == ()
    assert app.runtime.worker.closed
    del app.runtime.faults["load_plugin"]
    await app.plugins.load(session, NDVI)


async def test_a_plugin_whose_import_does_not_end_is_given_up(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins_module, "IMPORT_SECONDS", 0.01)
    app.runtime.pauses["load_plugin"] = asyncio.Event()
    assert (await failure_of(app, NDVI)).reason is Reason.PLUGIN_NOT_INSTALLED
    assert app.runtime.worker.closed


async def test_two_plugins_with_a_node_type_of_one_name_do_not_go_together(app: Application) -> None:
    session = app.session()
    first = await app.plugins.load(session, NDVI)
    with pytest.raises(Failure) as caught:
        await app.plugins.load(session, PluginManifest(name="twin"))
    assert caught.value.reason is Reason.PLUGIN_NOT_INSTALLED
    assert "NDVI" in caught.value.message
    assert app.plugins.loaded(session) == (first,)


async def test_clearing_forgets_descriptions_and_takes_nothing_from_sessions(app: Application) -> None:
    session = app.session()
    await app.plugins.load(session, NDVI)
    await app.plugins.load(session, PluginManifest(name="sam"))
    assert app.plugins.clear("nothing") == 0
    assert app.plugins.clear("ndvi") == 1
    assert app.plugins.clear("ndvi") == 0
    assert app.plugins.clear() == 1
    assert app.plugin_source.refreshed == 4
    assert [plugin.name for plugin in app.plugins.loaded(session)] == ["ndvi", "sam"]
    await app.plugins.load(app.session(), NDVI)
    assert len(app.runtime.workers) == 3


async def test_a_session_that_closes_takes_no_plugin(app: Application) -> None:
    session = app.session()
    app.runtime.pauses["load_plugin"] = asyncio.Event()
    loading = asyncio.create_task(app.plugins.load(session, NDVI))
    await app.runtime.reached("load_plugin")
    await app.sessions.close(OWNER, session.session_id)
    app.runtime.pauses["load_plugin"].set()
    for attempt in (loading, app.plugins.load(session, NDVI)):
        with pytest.raises(Failure) as caught:
            await attempt
        assert caught.value.reason is Reason.SESSION_CLOSING
    with pytest.raises(Failure):
        app.plugins.loaded(session)


async def test_every_allowed_plugin_is_described_at_the_start_and_faults_are_logged(
    app: Application, caplog: pytest.LogCaptureFixture
) -> None:
    app.plugin_source.allowed = ("ghost", *app.plugin_source.allowed)
    with caplog.at_level("INFO"):
        await app.plugins.describe_allowed()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "INFO", "INFO"]
    assert "ghost" in caplog.messages[0]
    assert "plugin-ndvi 1.0" in caplog.messages[1]
    await app.plugins.load(app.session(), NDVI)
    assert len(app.runtime.workers) == 3
