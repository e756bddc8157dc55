"""Codes that an RPC declares and no test can bring about, each with its reason: a reviewed list, kept short.

And those that only a run with a certain option brings about.
"""

from __future__ import annotations

import importlib.resources
import tomllib
from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

FILE = "unreachable.toml"


def unreachable() -> Mapping[tuple[str, grpc.StatusCode], str]:
    """Reasons by RPC path and code, from `unreachable.toml` (tables `[[unreachable]]` with `rpc`, `code`, `reason`)."""
    return {(_path(each["rpc"]), grpc.StatusCode[each["code"]]): each["reason"] for each in _entries("unreachable")}


def unreachable_without(options: Container[str]) -> Mapping[tuple[str, grpc.StatusCode], str]:
    """Reasons of what a run with these options alone cannot reach (tables `[[without]]`, with `option` besides).

    Args:
        options: names of those that were given, such as `plugin`.
    """
    return {
        (_path(each["rpc"]), grpc.StatusCode[each["code"]]): each["reason"]
        for each in _entries("without")
        if each["option"] not in options
    }


def _entries(table: str) -> list[dict[str, str]]:
    file = importlib.resources.files("catenary_conformance").joinpath(FILE)
    found: list[dict[str, str]] = tomllib.loads(file.read_text(encoding="utf-8")).get(table, [])
    return found


def _path(name: str) -> str:
    """`/catenary.v1.S/M`, also of `catenary.v1.S.M`."""
    return name if name.startswith("/") else "/" + "/".join(name.rsplit(".", 1))
