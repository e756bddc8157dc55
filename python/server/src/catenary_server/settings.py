"""What an operator decides: addresses, roots, limits."""

from __future__ import annotations

import dataclasses
import ipaddress
from typing import TYPE_CHECKING

from catenary_server.application.sessions import SessionLimits
from catenary_server.application.telemetry_upkeep import Retention
from catenary_server.domain.telemetry import TelemetryLimits
from catenary_server.plugins.allowance import Allowance  # noqa: TC001 - a dataclass field
from catenary_server.transport.settings import CallLimits
from catenary_server.transport.unix_socket import MAX_PATH_BYTES
from catenary_server.transport.web.origin import OriginError, OriginPolicy

if TYPE_CHECKING:
    from pathlib import Path

MEBIBYTE = 1024 * 1024


class SettingsError(ValueError):
    """The settings contradict each other or the machine; the message says what to change."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """What an operator decides about telemetry. Times in seconds.

    Attributes:
        folder: where runs are stored; no other server may use it.
        limits: what writers may send.
        retention: what is kept.
        commit_interval: time in which messages are gathered before they are made durable, and acknowledged so.
    """

    folder: Path
    limits: TelemetryLimits = dataclasses.field(default_factory=TelemetryLimits)
    retention: Retention = dataclasses.field(default_factory=Retention)
    commit_interval: float = 0.1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DashboardSettings:
    """What an operator decides about the dashboard.

    Attributes:
        port: where it is served; 0 takes a free one.
        hosts: names under which people reach it, beside the address that the server listens on.
        file: gets its address, once requests are answered.
    """

    port: int = 0
    hosts: tuple[str, ...] = ()
    file: Path | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a server. Sizes in bytes, times in seconds.

    Attributes:
        dashboard: where the dashboard is served; None serves none.
        telemetry: where and how runs are stored; None takes no telemetry.
        only_telemetry: whether that is all that is served.
        worker_memory: most private memory of a session's process; None: no bound.
        front_end_cores: cores that training leaves to the front end; None: one of eight, at least one; 0: none.
    """

    host: str = "127.0.0.1"
    port: int = 50051
    insecure: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    tokens: Path | None = None
    configs: tuple[Path, ...]
    artifacts: Path
    data: tuple[Path, ...] = ()
    max_message_size: int = 300 * MEBIBYTE
    storage_quota: int | None = None
    grace: float = 10.0
    reflection: bool = True
    port_file: Path | None = None
    unix_socket: Path | None = None
    sessions: SessionLimits = dataclasses.field(default_factory=SessionLimits)
    worker_memory: int | None = None
    front_end_cores: int | None = None
    plugins: tuple[Allowance, ...] = ()
    calls: CallLimits = dataclasses.field(default_factory=CallLimits)
    telemetry: TelemetrySettings | None = None
    only_telemetry: bool = False
    dashboard: DashboardSettings | None = None

    def check(self) -> None:
        """Refuse what would start a server that is open to the network by accident, or that finds nothing.

        Raises:
            SettingsError: with what to change.
        """
        self._check_tls()
        self._check_exposure()
        if self.calls.memory < self.max_message_size:
            message = "a request of --max-message-size would never find room: raise --max-request-memory"
            raise SettingsError(message)
        if self.unix_socket is not None and len(bytes(self.unix_socket)) > MAX_PATH_BYTES:
            message = f"--unix-socket has a path of more than {MAX_PATH_BYTES} bytes, which no socket may have"
            raise SettingsError(message)
        if self.dashboard is not None:
            self._check_dashboard(self.dashboard)
        for root in (*self.configs, *self.data):
            if not root.is_dir():
                message = f"{root} is not a folder; create it or name another with --configs or --data"
                raise SettingsError(message)

    def _check_dashboard(self, dashboard: DashboardSettings) -> None:
        if dashboard.port and dashboard.port == self.port:
            message = "gRPC and the dashboard need a port each: take another --port or --dashboard-port"
            raise SettingsError(message)
        try:
            OriginPolicy(dashboard.hosts)
        except OriginError as error:
            message = f"--dashboard-host: {error}"
            raise SettingsError(message) from error

    def _check_tls(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            message = "a certificate and its key belong together: give both --tls-cert and --tls-key"
            raise SettingsError(message)
        if self.tls_client_ca is not None and self.tls_cert is None:
            message = "--tls-client-ca asks clients for certificates, which needs --tls-cert and --tls-key"
            raise SettingsError(message)

    def _check_exposure(self) -> None:
        if self.insecure or self.loopback:
            return
        missing = [
            option
            for option, value in (("--tls-cert and --tls-key", self.tls_cert), ("--tokens", self.tokens))
            if value is None
        ]
        if missing:
            message = (
                f"{self.host} can be reached from the network, where a server needs encryption and authentication: "
                f"add {' and '.join(missing)}, serve on 127.0.0.1, or say --insecure if the network itself is trusted"
            )
            raise SettingsError(message)

    @property
    def loopback(self) -> bool:
        """True if only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
