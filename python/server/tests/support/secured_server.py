"""A real server on an encrypted port, with tokens of three principals."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from authority import Authority
from click.testing import CliRunner

from catenary_client import Client, tls_credentials
from catenary_client.local import local_server
from catenary_server.token_commands import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_client import RetryPolicy

CONFIGS = Path(__file__).resolve().parents[4] / "configs"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SecuredServer:
    """A running server, and what its operator has. `alice` and `bob` may do everything, `viewer` may look."""

    address: str
    ca: Path
    token_file: Path
    artifacts: Path
    log: Path
    pid: int
    alice: str
    bob: str
    viewer: str

    def client(self, token: str, *, retry: RetryPolicy | None = None, server_name: str = "") -> Client:
        """A connection for the holder of a token."""
        credentials = tls_credentials(self.ca)
        return Client(self.address, credentials=credentials, token=token, retry=retry, server_name=server_name)


def make_token(file: Path, principal: str, *scopes: str) -> str:
    """What `catenary tokens create` prints; the file gets its line."""
    options = [option for scope in scopes for option in ("--scope", scope)]
    result = CliRunner().invoke(tokens, ["create", "--principal", principal, *options, "--append", str(file)])
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


@contextlib.contextmanager
def secured_server(folder: Path) -> Iterator[SecuredServer]:
    """The server, as long as the block lasts. Its artifacts and its log are in the folder."""
    authority, token_file = Authority(folder), folder / "tokens"
    issued = authority.issue("server")
    held = {
        "alice": make_token(token_file, "alice", "*.*"),
        "bob": make_token(token_file, "bob", "*.*"),
        "viewer": make_token(token_file, "viewer", "*.read"),
    }
    arguments = ["--configs", str(CONFIGS), "--artifacts", str(folder / "artifacts")]
    arguments += ["--tls-cert", str(issued.certificate), "--tls-key", str(issued.key), "--tokens", str(token_file)]
    arguments += ["--log-level", "debug", "--log-format", "json", "--max-sessions", "6"]
    before = set(psutil.Process().children())
    with local_server(folder / "log", arguments) as address:
        (process,) = set(psutil.Process().children()) - before
        yield SecuredServer(
            address=address,
            ca=authority.file,
            token_file=token_file,
            artifacts=folder / "artifacts",
            log=folder / "log",
            pid=process.pid,
            **held,
        )
