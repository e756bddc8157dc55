"""What an operator decides: addresses, roots, limits."""

from __future__ import annotations

import dataclasses
import ipaddress
from typing import TYPE_CHECKING

from catenary_server.application.sessions import SessionLimits

if TYPE_CHECKING:
    from pathlib import Path

MEBIBYTE = 1024 * 1024


class SettingsError(ValueError):
    """The settings contradict each other or the machine; the message says what to change."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a server. Sizes in bytes, times in seconds."""

    host: str = "127.0.0.1"
    port: int = 50051
    insecure: bool = False
    configs: tuple[Path, ...]
    artifacts: Path
    data: tuple[Path, ...] = ()
    max_message_size: int = 300 * MEBIBYTE
    grace: float = 10.0
    reflection: bool = True
    port_file: Path | None = None
    sessions: SessionLimits = dataclasses.field(default_factory=SessionLimits)

    def check(self) -> None:
        """Refuse what would start a server that is open to the network by accident, or that finds nothing.

        Raises:
            SettingsError: with what to change.
        """
        if not self.insecure and not self.loopback:
            message = (
                f"{self.host} can be reached from the network, and there is no encryption or authentication yet: "
                "serve on 127.0.0.1, or say --insecure if the network itself is trusted"
            )
            raise SettingsError(message)
        for root in (*self.configs, *self.data):
            if not root.is_dir():
                message = f"{root} is not a folder; create it or name another with --configs or --data"
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
