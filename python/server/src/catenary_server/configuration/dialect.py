"""The YAML of configurations: plain data without anchors, tags or merge keys, and bounded before it is built.

Differences from PyYAML's own reading, all as Hydra reads YAML: `1e-3` is a number, dates are text. What `dump` writes
`load` gives back, because both recognise the same plain scalars.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from catenary_server.configuration.limits import MAX_DEPTH, MAX_NODES, too_complex
from catenary_server.domain.failure import Failure, Reason, Violation

if TYPE_CHECKING:
    from collections.abc import Hashable

_FLOAT_TAG = "tag:yaml.org,2002:float"
_FLOAT = re.compile(
    r"""^(?:
      [-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?
    | [-+]?[0-9][0-9_]*[eE][-+]?[0-9]+
    | [-+]?\.(?:inf|Inf|INF)
    | \.(?:nan|NaN|NAN)
    )$""",
    re.VERBOSE,
)
_UNUSUAL_BREAKS = frozenset("\r\x85\u2028\u2029\ufeff")
_TEXT_AFTER_ALL = frozenset(
    {_FLOAT_TAG, "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value"}
)


def _plain_scalars() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Which plain scalars are not text, by their first character."""
    known = {
        first: [(tag, pattern) for tag, pattern in entries if tag not in _TEXT_AFTER_ALL]
        for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for first in "-+.0123456789":
        known.setdefault(first, []).append((_FLOAT_TAG, _FLOAT))
    return known


class _Loader(yaml.CSafeLoader):
    yaml_implicit_resolvers = _plain_scalars()

    def construct_mapping(  # PyYAML's signature
        self,
        node: yaml.MappingNode,
        deep: bool = False,  # noqa: FBT001, FBT002
    ) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise invalid_yaml(f"line {line}", "keys must be text; quote this one")
            if key.value in seen:
                raise too_complex(key.value, f"the key is given twice, the second time in line {line}")
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers = _plain_scalars()

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """Text with unusual line breaks goes between double quotes: PyYAML folds them in any other style."""
        style = None if _UNUSUAL_BREAKS.isdisjoint(data) else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


_Dumper.add_representer(str, _Dumper.represent_str)


def load(text: str) -> object:
    """The data of a YAML document.

    Raises:
        Failure: CONFIG_INVALID for what is no YAML, CONFIG_TOO_COMPLEX for anchors, aliases, tags, keys given twice,
            and for documents that are too deep or have too many values.
    """
    try:
        _check_events(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - the loader is a safe one
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise invalid_yaml(f"line {mark.line + 1}" if mark else "content", error.problem or "is no YAML") from error
    except (yaml.YAMLError, ValueError) as error:
        raise invalid_yaml("content", "is no YAML: it holds characters or numbers that YAML cannot") from error


def dump(data: object) -> str:
    """Readable YAML: keys in the order of the data, no flow style, no anchors."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=100)


def invalid_yaml(subject: str, description: str) -> Failure:
    """CONFIG_INVALID about a place in a document."""
    return Failure(
        Reason.CONFIG_INVALID,
        f"the configuration cannot be read: {subject}: {description}",
        violations=(Violation(subject, description),),
    )


def _check_events(text: str) -> None:
    depth = nodes = documents = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        subject = f"line {event.start_mark.line + 1 if event.start_mark else 1}"
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise too_complex(subject, "anchors and aliases are not allowed; write the value out")
        if getattr(event, "tag", None):
            raise too_complex(subject, "tags are not allowed; write plain values")
        documents += isinstance(event, yaml.DocumentStartEvent)
        nodes += isinstance(event, yaml.NodeEvent)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if documents > 1:
            raise invalid_yaml(subject, "a file holds one document")
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            raise too_complex(subject, f"more than {MAX_DEPTH} levels or {MAX_NODES} values")
