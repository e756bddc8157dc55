from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest
from packages import install

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.plugin import PluginManifest
from catenary_server.plugins.allowance import Allowance
from catenary_server.plugins.importing import import_plugin
from catenary_server.plugins.installed import InstalledPlugins, look_up

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CODE = "NODES = ('as good as any',)\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that packages are imported from."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path / "site"


def allowing(*texts: str) -> InstalledPlugins:
    return InstalledPlugins(Allowance.parse(text) for text in texts)


def reason_of(call: Callable[[], object]) -> Reason:
    with pytest.raises(Failure) as caught:
        call()
    return caught.value.reason


def test_a_plugin_is_found_by_its_entry_point_and_nothing_is_imported(place: Path) -> None:
    install(place, "pack_found", "raise RuntimeError('imported')", version="1.4", point="found")
    plugin = allowing("found").find("found")
    assert (plugin.distribution, plugin.version, plugin.entry_point) == ("pack_found", "1.4", "pack_found:NODES")
    assert len(plugin.digest) == 64


def test_only_what_is_allowed_is_found_whether_or_not_it_is_there(place: Path) -> None:
    install(place, "pack_shy", CODE)
    assert reason_of(lambda: allowing("other").find("pack_shy")) is Reason.PLUGIN_NOT_ALLOWED
    assert reason_of(lambda: allowing("other").find("nowhere")) is Reason.PLUGIN_NOT_ALLOWED
    assert reason_of(lambda: allowing("other").find("other")) is Reason.PLUGIN_NOT_INSTALLED
    assert allowing("b", "a", "a==1").allowed == ("a", "b")


def test_versions_and_content_can_be_pinned(place: Path) -> None:
    install(place, "pack_pin", CODE, version="1.4")
    digest = look_up("pack_pin").digest
    for fitting in ("pack_pin>=1,<2", f"pack_pin@sha256:{digest}", f"pack_pin==1.4@sha256:{digest}"):
        assert allowing(fitting).find("pack_pin").version == "1.4"
    for unfit in ("pack_pin>=2", f"pack_pin@sha256:{'0' * 64}", f"pack_pin==2@sha256:{digest}"):
        assert reason_of(functools.partial(allowing(unfit).find, "pack_pin")) is Reason.PLUGIN_NOT_INSTALLED
    assert allowing("pack_pin==2", "pack_pin==1.4").find("pack_pin").version == "1.4"


def test_the_digest_tells_content_from_content_but_not_installer_from_installer(tmp_path: Path, place: Path) -> None:
    install(place, "pack_hash", CODE)
    before = look_up("pack_hash").digest
    (place / "pack_hash-1.0.dist-info" / "INSTALLER").write_text("another\n")
    (place / "pack_hash-1.0.dist-info" / "direct_url.json").write_text("{}")
    assert look_up("pack_hash").digest == before
    (place / "pack_hash.py").write_text(CODE + "# and more\n")
    assert look_up("pack_hash").digest != before


def test_an_editable_package_has_no_digest_for_its_code_is_elsewhere(place: Path) -> None:
    install(place, "pack_edit", CODE)
    (place / "pack_edit-1.0.dist-info" / "direct_url.json").write_text('{"dir_info": {"editable": true}}')
    assert look_up("pack_edit").digest == ""


def test_a_damaged_package_and_one_of_two_are_refused(place: Path) -> None:
    install(place, "pack_torn", CODE)
    (place / "pack_torn.py").unlink()
    assert reason_of(lambda: look_up("pack_torn")) is Reason.PLUGIN_NOT_INSTALLED
    install(place, "pack_one", CODE, point="both")
    install(place, "pack_two", CODE, point="both")
    with pytest.raises(Failure, match="pack_one, pack_two"):
        look_up("both")


@pytest.mark.parametrize(("wanted", "good"), [("", True), (">=1,<2", True), ("==1.4", True), (">=2", False)])
def test_a_manifest_may_want_certain_versions(place: Path, wanted: str, good: bool) -> None:  # noqa: FBT001 - a table
    install(place, "pack_want", CODE, version="1.4")
    source = allowing("pack_want")
    plugin, manifest = source.find("pack_want"), PluginManifest(name="pack_want", version=wanted)
    if good:
        source.require_version(plugin, manifest)
    else:
        assert reason_of(lambda: source.require_version(plugin, manifest)) is Reason.PLUGIN_NOT_INSTALLED


def test_a_version_that_is_no_specifier_is_invalid(place: Path) -> None:
    install(place, "pack_spec", CODE)
    source = allowing("pack_spec")
    manifest = PluginManifest(name="pack_spec", version="newest")
    assert reason_of(lambda: source.require_version(source.find("pack_spec"), manifest)) is Reason.CONFIG_INVALID


def test_what_was_seen_is_remembered_until_the_source_is_refreshed(place: Path) -> None:
    install(place, "pack_new", CODE)
    source = allowing("pack_new")
    before = source.find("pack_new")
    (place / "pack_new.py").write_text(CODE + "# and more\n")
    assert source.find("pack_new") == before
    source.refresh()
    assert source.find("pack_new") != before


def test_the_code_is_imported_in_the_worker_only_while_it_is_what_was_loaded(place: Path) -> None:
    install(place, "pack_run", CODE)
    plugin = look_up("pack_run")
    assert import_plugin(plugin) == ("as good as any",)
    (place / "pack_run.py").write_text(CODE + "# and more\n")
    with pytest.raises(Failure, match="has changed"):
        import_plugin(plugin)


@pytest.mark.parametrize("code", ["import nowhere", "1 / 0", "raise SystemExit(1)", "def (", ""])
def test_code_that_cannot_be_imported_is_refused_without_its_words(
    place: Path, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"pack_bad_{abs(hash(code))}"
    install(place, name, code)
    with pytest.raises(Failure, match="cannot be imported") as caught:
        import_plugin(look_up(name))
    assert caught.value.reason is Reason.PLUGIN_NOT_INSTALLED
    assert str(place) not in caught.value.message
    assert caplog.records[0].exc_info is not None
