"""Changes single values of composed data, with entries of a list addressed by their index or their name."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING, Any

from catenary_server.domain.failure import Failure, Reason, Violation

if TYPE_CHECKING:
    from collections.abc import MutableMapping, MutableSequence


class Action(enum.Enum):
    """What an override does, by its first characters."""

    CHANGE = ""
    ADD = "+"
    FORCE = "++"
    DELETE = "~"


@dataclasses.dataclass(frozen=True, slots=True)
class Edit:
    """A change of one value.

    Attributes:
        text: the override as the client wrote it.
        action: whether the key must exist (DELETE), must not (ADD), or does not matter: the schema knows the keys.
        keys: the key path; `hparams` means `params` below a node.
        value: the new value; for DELETE with `compares`, the value that must be there.
        compares: whether DELETE is tied to `value`.
    """

    text: str
    action: Action
    keys: tuple[str, ...]
    value: object
    compares: bool = False


def apply_edit(data: dict[str, Any], edit: Edit) -> None:
    """Change `data` in place.

    Raises:
        Failure: CONFIG_INVALID with the key path and, where a name is not known, the names there are.
    """
    holder: Any = data
    for depth, key in enumerate(edit.keys[:-1]):
        holder = _step(holder, key, edit, depth)
    if isinstance(holder, list):
        _edit_entry(holder, edit)
    else:
        _edit_key(holder, edit)


def _step(holder: Any, key: str, edit: Edit, depth: int) -> Any:  # noqa: ANN401 - configuration data
    if isinstance(holder, list):
        inner = holder[_index(holder, key, edit, depth)]
    else:
        key = _params(holder, key)
        if holder.get(key) is None and edit.action is not Action.DELETE:
            holder[key] = {}
        inner = holder.get(key)
    if not isinstance(inner, dict | list):
        raise _refused(edit, depth, "is not there" if inner is None else "is a value and holds no keys")
    return inner


def _edit_key(holder: MutableMapping[str, Any], edit: Edit) -> None:
    key, depth = _params(holder, edit.keys[-1]), len(edit.keys) - 1
    if edit.action is Action.ADD and key in holder:
        raise _refused(edit, depth, "is there already; leave out the + to change it")
    if edit.action is not Action.DELETE:
        holder[key] = edit.value
        return
    if key not in holder:
        raise _refused(edit, depth, f"is not there; known: {', '.join(sorted(holder))}")
    _compare(holder[key], edit, depth)
    del holder[key]


def _edit_entry(holder: MutableSequence[Any], edit: Edit) -> None:
    depth = len(edit.keys) - 1
    index = _index(holder, edit.keys[-1], edit, depth)
    if edit.action is Action.ADD:
        raise _refused(edit, depth, "is there already; leave out the + to change it")
    if edit.action is Action.DELETE:
        _compare(holder[index], edit, depth)
        del holder[index]
    else:
        holder[index] = edit.value


def _index(entries: MutableSequence[Any], key: str, edit: Edit, depth: int) -> int:
    """Which entry a key means."""
    if key.isdecimal() and key.isascii():
        if int(key) < len(entries):
            return int(key)
        raise _refused(edit, depth, f"is out of range; there are {len(entries)} entries")
    names = [str(entry.get("name", "")) if isinstance(entry, dict) else "" for entry in entries]
    if key in names:
        return names.index(key)
    known = ", ".join(name for name in names if name)
    raise _refused(edit, depth, f"is not known; known: {known}" if known else "must be an index")


def _params(holder: MutableMapping[str, Any], key: str) -> str:
    return "params" if key == "hparams" and "class_name" in holder else key


def _compare(found: object, edit: Edit, depth: int) -> None:
    if edit.compares and found != edit.value:
        raise _refused(edit, depth, f"is {found!r}, not {edit.value!r}")


def _refused(edit: Edit, depth: int, why: str) -> Failure:
    path = ".".join(edit.keys[: depth + 1])
    return Failure(
        Reason.CONFIG_INVALID, f"override {edit.text!r}: {path} {why}"[:500], violations=(Violation(path, why),)
    )
