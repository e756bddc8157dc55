"""Which pages may talk to the server: its own, and nobody else's.

A browser sends requests for every page that it shows, also for one that means ill. Two headers, which pages cannot
forge, tell them apart: `Host` is the name that the browser believes to talk to, and `Origin` the page that asks.
Without the check of `Host`, a name of a stranger that resolves to this machine (DNS rebinding) would make the
stranger's pages ours.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from typing import TYPE_CHECKING, Final

from catenary_server.transport.listening import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary_server.transport.web.asgi import Scope

_ORIGIN: Final = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?"
)
_PORTS: Final = {"http": 80, "https": 443}
_SECURE: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")


class OriginError(ValueError):
    """A name under which the dashboard cannot be reached; the message says what is wrong with it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, name and port of a page."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str, *, scheme: str = "", port: int = 0) -> Origin:
        """Read `scheme://host[:port]`, or `host[:port]` with the scheme given.

        Args:
            text: what a header or an operator says.
            scheme: taken if the text has none.
            port: taken if the text has none; 0: that of the scheme.

        Raises:
            OriginError: the text is none.
        """
        parts = _ORIGIN.fullmatch(text)
        if parts is None:
            raise OriginError(f"{text!r} is no host: write NAME, NAME:PORT or https://NAME[:PORT]")
        found = parts["scheme"] or scheme
        return cls(found, parts["host"].strip("[]").lower(), int(parts["port"] or port or _PORTS[found]))

    def __str__(self) -> str:
        if self.port == _PORTS[self.scheme]:
            return f"{self.scheme}://[{self.host}]" if ":" in self.host else f"{self.scheme}://{self.host}"
        return f"{self.scheme}://{shown(self.host, self.port)}"


class OriginPolicy:
    """Tells the dashboard's own pages from others.

    Allowed as `Host` are the address that the connection came in on, the names of loopback if it is that, and what the
    operator names. An address in digits needs no list: rebinding works with names.

    Args:
        hosts: further names, as the operator gives them: NAME (at the server's own port), NAME:PORT, or a whole origin
            such as `https://runs.example.org` where a proxy stands in front.
        headless: whether callers that send no `Origin`, and so are no browser, may call.

    Raises:
        OriginError: one of the names is none.
    """

    def __init__(self, hosts: tuple[str, ...] = (), *, headless: bool = True) -> None:
        self._headless = headless
        self._origins = tuple(Origin.parse(host) for host in hosts if "://" in host)
        self._names = tuple(host for host in hosts if "://" not in host)
        for name in self._names:
            Origin.parse(name, scheme="http")

    def refusal(self, scope: Scope, headers: Mapping[str, str]) -> str | None:
        """Why a request is not answered, for people; None if it is."""
        host, origin = headers.get("host", ""), headers.get("origin")
        served = self._served(scope, host)
        if served is None:
            return f"this server is not called {host!r}; its operator can allow the name with --dashboard-host"
        if origin is None:
            return None if self._headless or scope.get("method") in ("GET", "HEAD") else "the request has no Origin"
        if origin != str(served):
            return f"pages of {origin!r} may not use this server"
        return None

    def _served(self, scope: Scope, host: str) -> Origin | None:
        """The origin that a request is addressed to, if it is one of ours."""
        scheme, (bound, port) = _SECURE[scope["scheme"]], scope["server"]
        address = bound.removeprefix("::ffff:")  # an address of IPv4 on a socket for both
        try:
            asked = Origin.parse(host, scheme=scheme)
        except OriginError:
            return None
        names = _LOOPBACK_NAMES if ipaddress.ip_address(address).is_loopback else (address,)
        if asked.port == port and asked.host in names:
            return asked
        if any(asked == Origin.parse(name, scheme=scheme, port=port) for name in self._names):
            return asked
        return next((each for each in self._origins if each == Origin.parse(host, scheme=each.scheme)), None)
