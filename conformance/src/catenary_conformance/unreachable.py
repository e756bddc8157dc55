"""Codes that an RPC declares and no test can bring about, each with its reason: a reviewed list, kept short."""

from __future__ import annotations

import importlib.resources
import tomllib
from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "unreachable.toml"


def unreachable() -> Mapping[tuple[str, grpc.StatusCode], str]:
    """Reasons by RPC path and code, from `unreachable.toml` (tables `[[unreachable]]` with `rpc`, `code`, `reason`)."""
    file = importlib.resources.files("catenary_conformance").joinpath(FILE)
    if not file.is_file():
        return {}
    entries = tomllib.loads(file.read_text(encoding="utf-8")).get("unreachable", [])
    return {(_path(each["rpc"]), grpc.StatusCode[each["code"]]): each["reason"] for each in entries}


def _path(name: str) -> str:
    """`/catenary.v1.S/M`, also of `catenary.v1.S.M`."""
    return name if name.startswith("/") else "/" + "/".join(name.rsplit(".", 1))
