"""A server is not opened to the network by accident."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from catenary_server.settings import MEBIBYTE, DashboardSettings, Settings, SettingsError
from catenary_server.transport.settings import CallLimits

if TYPE_CHECKING:
    from pathlib import Path

NETWORK = ["0.0.0.0", "::", "192.0.2.1", "gpu.example.org"]  # noqa: S104 - what is refused


def settings(folder: Path, host: str = "127.0.0.1", **changes: Any) -> Settings:
    return Settings(host=host, configs=(folder,), artifacts=folder, **changes)


def encryption(folder: Path) -> dict[str, Any]:
    return {"tls_cert": folder / "cert.pem", "tls_key": folder / "key.pem"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.9.1"])
def test_loopback_needs_no_more(tmp_path: Path, host: str) -> None:
    settings(tmp_path, host).check()


@pytest.mark.parametrize("host", NETWORK)
def test_a_network_address_needs_encryption_and_tokens_or_consent(tmp_path: Path, host: str) -> None:
    tokens = {"tokens": tmp_path / "tokens"}
    with pytest.raises(SettingsError, match=r"--tls-cert.*--tokens.*--insecure"):
        settings(tmp_path, host).check()
    with pytest.raises(SettingsError, match=r"add --tokens,"):
        settings(tmp_path, host, **encryption(tmp_path)).check()
    with pytest.raises(SettingsError, match=r"add --tls-cert and --tls-key,"):
        settings(tmp_path, host, **tokens).check()
    settings(tmp_path, host, **encryption(tmp_path), **tokens).check()
    settings(tmp_path, host, insecure=True).check()


def test_a_certificate_goes_with_its_key(tmp_path: Path) -> None:
    for option in encryption(tmp_path):
        alone: dict[str, Any] = {option: tmp_path / "file"}
        with pytest.raises(SettingsError, match="belong together"):
            settings(tmp_path, **alone).check()
    with pytest.raises(SettingsError, match="--tls-client-ca"):
        settings(tmp_path, tls_client_ca=tmp_path / "file").check()


def test_the_largest_request_must_find_room(tmp_path: Path) -> None:
    limits = CallLimits(memory=100 * MEBIBYTE)
    with pytest.raises(SettingsError, match="--max-request-memory"):
        settings(tmp_path, calls=limits).check()
    settings(tmp_path, calls=limits, max_message_size=100 * MEBIBYTE).check()


def test_a_missing_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nowhere"):
        Settings(configs=(tmp_path / "nowhere",), artifacts=tmp_path).check()


def test_a_socket_has_a_path_that_the_system_takes(tmp_path: Path) -> None:
    settings(tmp_path, unix_socket=tmp_path / "s").check()
    with pytest.raises(SettingsError, match="--unix-socket"):
        settings(tmp_path, unix_socket=tmp_path / ("s" * 108)).check()


def test_grpc_and_the_dashboard_have_a_port_each(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--dashboard-port"):
        settings(tmp_path, port=50080, dashboard=DashboardSettings(port=50080)).check()
    settings(tmp_path, port=0, dashboard=DashboardSettings(port=0)).check()


@pytest.mark.parametrize("name", ["runs.example.org", "gpu:8443", "https://runs.example.org", "[::1]:8080"])
def test_names_of_the_dashboard_are_hosts_or_origins(tmp_path: Path, name: str) -> None:
    settings(tmp_path, dashboard=DashboardSettings(hosts=(name,))).check()


@pytest.mark.parametrize("name", ["", "*", "https://runs.example.org/path", "user@host"])
def test_other_names_of_the_dashboard_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="--dashboard-host"):
        settings(tmp_path, dashboard=DashboardSettings(hosts=(name,))).check()
