"""Reads overrides in Hydra's grammar and refuses what they must not do. Imports Hydra: for the child process only."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException

from catenary_server.configuration.constructs import (
    TARGET_KEYS,
    check_constructs,
    resolver_forbidden,
    target_forbidden,
)
from catenary_server.configuration.edits import Action, Edit
from catenary_server.configuration.limits import MAX_OVERRIDE_LENGTH, too_complex
from catenary_server.domain.client_path import ClientPath
from catenary_server.domain.config_source import CONFIG_TYPES
from catenary_server.domain.failure import Failure, Reason, Violation

if TYPE_CHECKING:
    from catenary_server.configuration.folders import Folders

_KEY = re.compile(r"[\w\-]+(?:[./][\w\-]+)*")
_ACTIONS = {
    OverrideType.CHANGE: Action.CHANGE,
    OverrideType.ADD: Action.ADD,
    OverrideType.FORCE_ADD: Action.FORCE,
    OverrideType.DEL: Action.DELETE,
}


@dataclasses.dataclass(frozen=True, slots=True)
class CheckedOverride:
    """An override that does nothing forbidden."""

    text: str
    parsed: Override

    def chooses_group(self, folders: Folders) -> bool:
        """True if it replaces files (`training=fast`) rather than a value.

        Raises:
            Failure: PATH_INVALID for a choice that is no plain name.
        """
        value, group = self.parsed.value(), self.parsed.key_or_group
        if isinstance(value, dict) or group.partition("/")[0] not in CONFIG_TYPES or not folders.is_group(group):
            return False
        for choice in value if isinstance(value, list) else [value]:
            if choice is not None:
                ClientPath.parse(f"{group}/{choice}", subject=self.text)
        return True

    def edit(self) -> Edit:
        """What it does to the composed data."""
        keys = tuple(re.split(r"[./]", self.parsed.key_or_group))
        compares = self.parsed.is_delete() and self.parsed.value_type is not None
        return Edit(self.text, _ACTIONS[self.parsed.type], keys, self.parsed.value(), compares=compares)


def read_override(text: str) -> CheckedOverride:
    """Take an override apart.

    Raises:
        Failure: OVERRIDE_SYNTAX, CONFIG_TARGET_FORBIDDEN, CONFIG_RESOLVER_FORBIDDEN, CONFIG_TOO_COMPLEX, PATH_INVALID.
    """
    if len(text) > MAX_OVERRIDE_LENGTH:
        raise too_complex(text[:60], f"an override has at most {MAX_OVERRIDE_LENGTH} characters")
    if "\0" in text:
        raise Failure(
            Reason.PATH_INVALID, "an override holds NUL", violations=(Violation(ascii(text)[:100], "holds NUL"),)
        )
    try:
        parsed = OverridesParser.create().parse_override(text)
    except HydraException as error:
        raise _syntax(text, " ".join(str(error).split())[:200]) from error
    except RecursionError as error:
        raise too_complex(text[:60], "too deep") from error
    _check(parsed, text)
    return CheckedOverride(text, parsed)


def _check(parsed: Override, text: str) -> None:
    key = parsed.key_or_group
    for name in (key, parsed.package or ""):
        parts = re.split(r"[./:]", name)
        if parts[0] == "hydra":
            raise resolver_forbidden(text, "Hydra's own settings are the operator's")
        if not TARGET_KEYS.isdisjoint(parts):
            raise target_forbidden(key)
    if parsed.is_sweep_override():
        raise resolver_forbidden(text, "one configuration, not a sweep over several; quote the value to mean text")
    if "${" in key or "${" in (parsed.package or ""):
        raise resolver_forbidden(text, "a key is written out")
    if not _KEY.fullmatch(key):
        raise _syntax(text, f"{key!r} is no key path: names joined by dots")
    check_constructs(parsed.value(), interpolation=True, root=key)


def _syntax(text: str, why: str) -> Failure:
    shown = text[:100]
    return Failure(
        Reason.OVERRIDE_SYNTAX,
        f"{shown!r} is not an override: {why}; write key.path=value",
        violations=(Violation(shown, why),),
    )
