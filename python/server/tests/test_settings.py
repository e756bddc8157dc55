"""A server is not opened to the network by accident."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary_server.settings import Settings, SettingsError

if TYPE_CHECKING:
    from pathlib import Path


def settings(folder: Path, host: str, *, insecure: bool = False) -> Settings:
    return Settings(host=host, insecure=insecure, configs=(folder,), artifacts=folder)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.9.1"])
def test_loopback_needs_no_more(tmp_path: Path, host: str) -> None:
    settings(tmp_path, host).check()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gpu.example.org"])  # noqa: S104 - what is refused
def test_a_network_address_needs_consent(tmp_path: Path, host: str) -> None:
    with pytest.raises(SettingsError, match="--insecure"):
        settings(tmp_path, host).check()
    settings(tmp_path, host, insecure=True).check()


def test_a_missing_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nowhere"):
        Settings(configs=(tmp_path / "nowhere",), artifacts=tmp_path).check()
