"""The file of tokens: one line for each, with its SHA-256, principal, scopes and, if it ends, its end.

    # sha256                        principal  scopes                       expires
    9f86d081884c7d659a2feaa0...0a08 alice      session.*,inference.write    2030-01-31T00:00:00Z
    60303ae22b998861bce3b28f...5c9b dashboard  *.read

Columns are separated by spaces or tabs; what follows `#` at the start of a line is ignored.
"""

from __future__ import annotations

import datetime as dt
import re
import stat
from typing import TYPE_CHECKING

from catenary_server.domain.access import Grant, GrantError, check_principal, expand_scopes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

_DIGEST = re.compile(r"[0-9a-f]{64}")
_MAX_BYTES = 16 * 1024 * 1024


class TokenFileError(ValueError):
    """The file cannot be used; the message names the line and says what to change. It never quotes a digest."""


def read_grants(file: Path, scopes: Collection[str]) -> Mapping[bytes, Grant]:
    """What every token of the file grants, by the digest of the token.

    Args:
        file: the file; links are followed, as secrets are often mounted so.
        scopes: every scope there is.

    Raises:
        TokenFileError: the file cannot be read, can be written by everyone, or has a faulty line.
    """
    grants: dict[bytes, Grant] = {}
    for number, line in enumerate(_text(file).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            grant = parse_line(line, scopes)
        except GrantError as error:
            raise TokenFileError(f"{file}, line {number}: {error}") from error
        if grant.digest in grants:
            raise TokenFileError(f"{file}, line {number}: the token of this line has a line already")
        grants[grant.digest] = grant
    return grants


def parse_line(line: str, scopes: Collection[str]) -> Grant:
    """The grant of one line.

    Raises:
        GrantError: with what to change.
    """
    columns = line.split()
    if len(columns) not in (3, 4):
        raise GrantError("a line has the columns sha256, principal, scopes and, optionally, expires")
    if not _DIGEST.fullmatch(columns[0]):
        raise GrantError("the first column is the SHA-256 of the token, 64 hexadecimal digits in lower case")
    return Grant(
        digest=bytes.fromhex(columns[0]),
        principal=check_principal(columns[1]),
        scopes=expand_scopes(columns[2].split(","), scopes),
        expires=parse_time(columns[3]) if len(columns) == 4 else None,  # noqa: PLR2004 - the fourth column
    )


def format_line(digest: bytes, principal: str, patterns: Collection[str], expires: float | None) -> str:
    """The line for a token, as `parse_line` reads it; scopes stay as they were written."""
    columns = [digest.hex(), principal, ",".join(patterns)]
    if expires is not None:
        end = dt.datetime.fromtimestamp(expires, dt.UTC)
        columns.append(end.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return " ".join(columns)


def parse_time(text: str) -> float:
    """Unix seconds of an ISO 8601 time with its zone.

    Raises:
        GrantError: it is none, or names no zone.
    """
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise GrantError(f"{text!r} is no time; write it as 2030-01-31T00:00:00Z") from error
    if time.tzinfo is None:
        raise GrantError(f"{text!r} names no time zone; end it with Z for UTC")
    return time.timestamp()


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            mode = stat.S_IMODE(file.stat().st_mode)
            content = opened.read(_MAX_BYTES + 1)
    except OSError as error:
        raise TokenFileError(f"cannot read the tokens of {file}: {error.strerror}") from error
    if mode & stat.S_IWOTH:
        raise TokenFileError(f"everyone may write to {file}, and so give themselves a token: chmod o-w {file}")
    if len(content) > _MAX_BYTES:
        raise TokenFileError(f"{file} is larger than {_MAX_BYTES} bytes; it cannot be a file of tokens")
    try:
        return content.decode("ascii")
    except UnicodeDecodeError as error:
        raise TokenFileError(f"{file} has characters outside ASCII") from error
