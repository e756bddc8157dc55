"""What commands print: for people, or as JSON for programs."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from catenary_client.errors import CatenaryError


class Output:
    """Prints either for people or as JSON, so that a command says what it found once.

    Args:
        as_json: print JSON documents and nothing else on the standard output.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.console = Console(highlight=False, soft_wrap=True)

    def show(self, document: object, *renderables: RenderableType) -> None:
        """Print a result: the document as one line of JSON, or the renderables for people."""
        if self.as_json:
            print(json.dumps(jsonable(document), allow_nan=False), flush=True)  # noqa: T201 - the command's result
        else:
            for renderable in renderables:
                self.console.print(renderable, markup=False)

    def say(self, text: str) -> None:
        """Print a line for people; nothing in JSON."""
        if not self.as_json:
            self.console.print(text, markup=False)

    def fail(self, error: CatenaryError) -> None:
        """Print why a call failed."""
        if self.as_json:
            self.show({"error": error_document(error)})
        else:
            print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the command's result


def facts(rows: Iterable[tuple[str, str]]) -> Table:
    """Names and values in two columns, without those that have no value."""
    table = Table.grid(padding=(0, 2))
    for name, value in rows:
        if value:
            table.add_row(Text(name, style="bold"), Text(value))
    return table


def listing(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    """Rows below a header, without lines; the first column is what the next command needs and is not shortened."""
    name, *others = columns
    table = Table(Column(name, no_wrap=True), *others, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def error_document(error: CatenaryError) -> dict[str, Any]:
    """A failed call as a JSON object."""
    return {
        "reason": error.reason,
        "code": error.code.name,
        "message": error.failure.message,
        "violations": list(error.violations),
        "resource": error.resource,
        "retry_after": error.retry_after,
        "metadata": dict(error.metadata),
    }


def jsonable(value: object) -> Any:  # noqa: ANN401, PLR0911 - JSON is what it returns, one line for each kind of value
    """A result as what JSON has; NaN and infinity, which it lacks, become null."""
    match value:
        case Message():
            return MessageToDict(value, preserving_proto_field_name=True)
        case Mapping():
            return {str(key): jsonable(item) for key, item in value.items()}
        case list() | tuple():
            return [jsonable(item) for item in value]
        case float() | np.floating():
            return float(value) if np.isfinite(value) else None
        case np.integer():
            return int(value)
        case dt.datetime():
            return value.isoformat()
        case grpc.StatusCode():
            return value.name
        case _ if dataclasses.is_dataclass(value):
            return {field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _:
            return value
