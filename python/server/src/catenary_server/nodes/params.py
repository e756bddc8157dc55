"""Parameters of a node: a frozen dataclass that describes and checks itself."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.node import ParamSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

_JSON_TYPES: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "path"}


def param(
    default: object = dataclasses.MISSING,
    *,
    description: str,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
) -> Any:  # noqa: ANN401 - like dataclasses.field, it stands where a value of any type is assigned
    """A parameter: its default (required without one), what it means, and the range of its values."""
    metadata = {"description": description, "bounds": {"ge": ge, "gt": gt, "le": le}}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True, kw_only=True)
@typing.dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(param,))
class NodeParams:
    """Base of the parameters of a node type: a subclass is a frozen keyword-only dataclass of `param` fields.

    Fields may be bool, int, float, str, Path, a Literal of strings, or one of them or None.
    """

    def __init_subclass__(cls) -> None:
        """Make the subclass a dataclass."""
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)

    @classmethod
    def specs(cls) -> tuple[ParamSpec, ...]:
        """The parameters as the front end lists them."""
        return tuple(_Rule.of(cls, field).spec() for field in dataclasses.fields(cls))

    @classmethod
    def read(cls, values: Mapping[str, object], where: str) -> Self:
        """Check values as they stand in a configuration and make the parameters.

        Args:
            values: parameters by name.
            where: key path of the parameters, for the violations.

        Raises:
            Failure: GRAPH_INVALID with one violation for each value that is missing, unknown, of another type or out
                of range.
        """
        rules = {field.name: _Rule.of(cls, field) for field in dataclasses.fields(cls)}
        faults = [(name, "there is no such parameter") for name in values if name not in rules]
        faults += [(name, "is required") for name, rule in rules.items() if rule.required and name not in values]
        faults += [
            (name, fault) for name in values if name in rules and (fault := rules[name].fault(values[name])) is not None
        ]
        if faults:
            violations = tuple(Violation(f"{where}.{name}", fault) for name, fault in faults)
            raise Failure(
                Reason.GRAPH_INVALID, f"{violations[0].subject}: {violations[0].description}", violations=violations
            )
        return cls(**{name: rules[name].converted(value) for name, value in values.items()})


@dataclasses.dataclass(frozen=True, slots=True)
class _Rule:
    """What one parameter may be."""

    field: dataclasses.Field[Any]
    kind: type
    nullable: bool
    choices: tuple[str, ...]

    @staticmethod
    def of(owner: type[NodeParams], field: dataclasses.Field[Any]) -> _Rule:
        hint = typing.get_type_hints(owner)[field.name]
        options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        nullable = type(None) in options
        kind = next(option for option in options if option is not type(None))
        if typing.get_origin(kind) is Literal:
            return _Rule(field, str, nullable, typing.get_args(kind))
        return _Rule(field, kind, nullable, ())

    @property
    def required(self) -> bool:
        return self.field.default is dataclasses.MISSING

    def spec(self) -> ParamSpec:
        default = self.field.default
        return ParamSpec(
            name=self.field.name,
            type=_JSON_TYPES[self.kind],
            required=self.required,
            default="" if self.required else json.dumps(default, default=str),
            description=self.field.metadata["description"],
            validation=self._validation(),
        )

    def _validation(self) -> str:
        if self.choices:
            return "one of " + ", ".join(self.choices)
        signs = {"ge": ">=", "gt": ">", "le": "<="}
        bounds = self.field.metadata["bounds"]
        return " and ".join(f"{signs[name]} {bound}" for name, bound in bounds.items() if bound is not None)

    def fault(self, value: object) -> str | None:
        """What is wrong with the value; None if nothing is."""
        if value is None:
            return None if self.nullable else "must not be null"
        if not self._typed(value):
            return f"must be of type {_JSON_TYPES[self.kind]}, not {type(value).__name__}"
        if self.choices and value not in self.choices:
            return f"must be {self._validation()}"
        if isinstance(value, int | float) and not self._in_range(value):
            return f"must be {self._validation()}"
        return None

    def _typed(self, value: object) -> bool:
        if isinstance(value, bool):
            return self.kind is bool
        if self.kind is float:
            return isinstance(value, int | float)
        return isinstance(value, str if self.kind is Path else self.kind)

    def _in_range(self, value: float) -> bool:
        # Written so that NaN, for which every comparison is false, is out of any range.
        bounds = self.field.metadata["bounds"]
        return (
            (bounds["ge"] is None or value >= bounds["ge"])
            and (bounds["gt"] is None or value > bounds["gt"])
            and (bounds["le"] is None or value <= bounds["le"])
        )

    def converted(self, value: Any) -> Any:  # noqa: ANN401 - checked above; of the field's own type
        return value if value is None else self.kind(value)
