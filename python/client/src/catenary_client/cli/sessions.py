"""`catenary sessions`: the places on the server that are in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from catenary.v1.session_pb2 import SessionState
from catenary_client.cli.connecting import Link, with_server
from catenary_client.cli.output import facts, listing
from catenary_wire import names

if TYPE_CHECKING:
    from catenary.v1.session_pb2 import Session


@click.group()
def sessions() -> None:
    """List, show and close sessions."""


@sessions.command("list", epilog="Example: catenary sessions list --json")
@with_server
def list_sessions(link: Link) -> None:
    """List your sessions, oldest first."""
    found = link.client.sessions()
    table = listing(
        ("session", "state", "pipeline", "device", "expires"),
        ((item.session_id, _state(item), item.pipeline_name, item.device, _expiry(item)) for item in found),
    )
    link.output.show({"sessions": found}, table if found else "no sessions")


@sessions.command(epilog="Example: catenary sessions show 5dKq0v")
@click.argument("session_id")
@with_server
def show(link: Link, session_id: str) -> None:
    """Show what a session is and does."""
    session = link.client.attach(session_id).get()
    rows = (
        ("session", session.session_id),
        ("state", _state(session)),
        ("pipeline", session.pipeline_name),
        ("run", session.run_id),
        ("device", session.device),
        ("search paths", "\n".join(session.search_paths)),
        ("expires", _expiry(session)),
        ("failure", session.failure.message),
    )
    link.output.show(session, facts(rows))


@sessions.command(epilog="Example: catenary sessions close 5dKq0v 8hTw2x")
@click.argument("session_ids", nargs=-1, required=True, metavar="SESSION_ID...")
@with_server
def close(link: Link, session_ids: tuple[str, ...]) -> None:
    """Close sessions; closing a closed one succeeds."""
    for session_id in session_ids:
        link.client.attach(session_id).close()
        link.output.show({"closed": session_id}, f"closed {session_id}")


def _state(session: Session) -> str:
    return names.short_name(SessionState, session.state)


def _expiry(session: Session) -> str:
    if not session.HasField("expire_time"):
        return "not while it works"
    return session.expire_time.ToDatetime().isoformat(" ", "seconds") + " UTC"
