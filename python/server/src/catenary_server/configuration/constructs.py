"""Refuses what a configuration must not hold: code to call, values fetched from the server, endless structures."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from catenary_server.configuration.limits import MAX_DEPTH, MAX_NODES, too_complex
from catenary_server.domain.failure import Failure, Reason, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET_KEYS = frozenset({"_target_", "_args_", "_partial_", "_convert_", "_recursive_"})
"""Keys with which Hydra would call Python code. We never instantiate, and refuse them all the same."""

_INTERPOLATION = re.compile(r"\$\{\.*(?!hydra\b)[A-Za-z_][\w\-]*(?:\.[\w\-]+|\[[0-9]+\])*\}")


def check_constructs(data: object, *, interpolation: bool, root: str = "") -> None:
    """Check plain data before anything reads it.

    Args:
        data: mappings, lists and scalars; trees of them, not graphs.
        interpolation: whether `${relative.key}` may occur.
        root: key path of the data itself.

    Raises:
        Failure: CONFIG_TARGET_FORBIDDEN, CONFIG_RESOLVER_FORBIDDEN, CONFIG_TOO_COMPLEX or CONFIG_INVALID (numbers or
            text that JSON cannot hold, an interpolation that nobody will resolve), with the key path.
    """
    for count, (path, value) in enumerate(walk(data, root)):
        if count >= MAX_NODES:
            raise too_complex(path, f"more than {MAX_NODES} values")
        if isinstance(value, str):
            check_text(value, path, interpolation=interpolation)
        elif isinstance(value, float) and not math.isfinite(value):
            raise _invalid(path, "must be a finite number")


def walk(data: object, root: str) -> Iterator[tuple[str, object]]:
    """Every value with its key path; keys are checked on the way."""
    stack: list[tuple[str, object, int]] = [(root, data, 0)]
    while stack:
        path, value, depth = stack.pop()
        yield path, value
        inner = _children(path, value)
        if inner and depth >= MAX_DEPTH:
            raise too_complex(path, f"more than {MAX_DEPTH} levels")
        stack.extend((key, child, depth + 1) for key, child in reversed(inner))


def _children(path: str, value: object) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(check_key(key, path), child) for key, child in value.items()]
    if isinstance(value, list | tuple):
        return [(join(path, str(index)), child) for index, child in enumerate(value)]
    return []


def join(path: str, key: str) -> str:
    """The key path of something inside another."""
    return f"{path}.{key}" if path else key


def check_key(key: object, path: str) -> str:
    """The key path of a key that may be used.

    Raises:
        Failure: CONFIG_TARGET_FORBIDDEN, CONFIG_RESOLVER_FORBIDDEN, CONFIG_INVALID.
    """
    if not isinstance(key, str):
        raise _invalid(path, f"keys must be text; {key!r} is not")
    place = join(path, key)
    if key in TARGET_KEYS:
        raise target_forbidden(place)
    if place == "hydra" or "${" in key:
        raise resolver_forbidden(place, "Hydra's own settings are the operator's")
    _check_encodable(key, place)
    return place


def check_text(text: str, path: str, *, interpolation: bool) -> None:
    """Check one text. Raises as `check_constructs`."""
    _check_encodable(text, path)
    if "${" not in text:
        return
    if "${" in _INTERPOLATION.sub("", text) or "\\${" in text:
        raise resolver_forbidden(path, "only references to keys of the same configuration, like ${data.seed}")
    if not interpolation:
        raise _invalid(path, "holds a reference that is not resolved yet: send what ResolveConfig returned")


def target_forbidden(path: str) -> Failure:
    """CONFIG_TARGET_FORBIDDEN at a key path."""
    description = "configurations hold data, not code to call"
    return Failure(
        Reason.CONFIG_TARGET_FORBIDDEN,
        f"{path}: {description}; name node types by class_name",
        violations=(Violation(path, description),),
    )


def resolver_forbidden(path: str, description: str) -> Failure:
    """CONFIG_RESOLVER_FORBIDDEN at a key path or override."""
    return Failure(
        Reason.CONFIG_RESOLVER_FORBIDDEN, f"{path}: {description}", violations=(Violation(path, description),)
    )


def _check_encodable(text: str, path: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        shown = ascii(path)[1:-1]
        raise _invalid(shown, "holds half of a surrogate pair, which is no character") from error


def _invalid(path: str, description: str) -> Failure:
    return Failure(
        Reason.CONFIG_INVALID,
        f"the configuration is not valid: {path}: {description}",
        violations=(Violation(path, description),),
    )
