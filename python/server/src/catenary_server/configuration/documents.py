"""Bytes that hold a configuration, in JSON or YAML, read into plain data."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from catenary_server.configuration.constructs import check_constructs
from catenary_server.configuration.dialect import invalid_yaml, load
from catenary_server.configuration.limits import MAX_BYTES, MAX_DEPTH, too_complex


def read_document(content: bytes, *, interpolation: bool, may_be_empty: bool = True) -> dict[str, Any]:
    """The mapping that a document holds: JSON if it starts with a brace, else YAML.

    Args:
        content: the document, UTF-8.
        interpolation: whether `${relative.key}` may occur.
        may_be_empty: whether an empty document, as files may be, is an empty mapping; else it is refused.

    Raises:
        Failure: CONFIG_INVALID, CONFIG_TARGET_FORBIDDEN, CONFIG_RESOLVER_FORBIDDEN, CONFIG_TOO_COMPLEX.
    """
    if len(content) > MAX_BYTES:
        raise too_complex("content", f"more than {MAX_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise invalid_yaml("content", "is not UTF-8") from error
    data = _read_json(text) if text.lstrip().startswith("{") else load(text)
    if data is None and may_be_empty:
        return {}
    if not isinstance(data, dict):
        raise invalid_yaml("content", "must be a mapping of keys to values")
    check_constructs(data, interpolation=interpolation)
    return data


def _read_json(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise invalid_yaml(f"line {error.lineno}", f"Invalid JSON: {error.msg}") from error
    except ValueError as error:
        raise invalid_yaml("content", "Invalid JSON: a number has too many digits") from error
    except RecursionError as error:
        raise too_complex("content", f"more than {MAX_DEPTH} levels") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise too_complex(key, "the key is given twice")
        mapping[key] = value
    return mapping


def _refuse_constant(constant: str) -> NoReturn:
    raise invalid_yaml("content", f"Invalid JSON: {constant} is not a number in JSON")
