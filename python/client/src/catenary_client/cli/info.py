"""`catenary info`: what a server is and offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from catenary_client.cli.connecting import Link, with_server
from catenary_client.cli.output import facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary.v1.discovery_service_pb2 import GetServerInfoResponse


@click.command(epilog="Example: catenary info --server gpu-box:50051")
@with_server
def info(link: Link) -> None:
    """Show what the server is, claims and has room for."""
    found = link.client.server_info()
    link.output.show(found, facts(_facts(link.client.address, found)))


def _facts(address: str, found: GetServerInfoResponse) -> Iterator[tuple[str, str]]:
    limits = found.limits
    yield "server", f"{found.server_name} {found.server_version} at {address}"
    yield "contract", found.contract_version
    yield "capabilities", ", ".join(capability.name for capability in found.capabilities)
    yield "devices", ", ".join(f"{device.name} {device.model}".strip() for device in found.devices)
    yield "started", found.start_time.ToDatetime().isoformat(" ", "seconds") + " UTC"
    for name, slots in (("sessions", limits.sessions.server), ("workers", limits.workers), ("runs", limits.training)):
        yield name, f"{slots.used} of {slots.total} in use" if slots.total else ""
