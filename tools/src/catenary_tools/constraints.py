"""Single constraints on a value, and which way they move from one version to the next.

What matters is the set of values that pass: a constraint that lets fewer pass is *narrower*, one that lets more pass is
*wider*. Where neither can be told, as for two patterns, the move counts as both.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Flag, auto
from typing import ClassVar

Value = int | float | str | bytes | tuple[int, int]
"""A value of a field. Durations and timestamps are seconds and nanoseconds, other messages their serialised bytes."""

_PASSED_BY_ZERO = frozenset({"unique", "defined_only", "finite", "not_contains", "strict"})


class Direction(Flag):
    """Which way a constraint moved; both ways when that cannot be told."""

    NARROWED = auto()
    WIDENED = auto()


BOTH = Direction.NARROWED | Direction.WIDENED


class Constraint(ABC):
    """One constraint. Adding one narrows, unless its class says otherwise."""

    when_added: ClassVar[Direction] = Direction.NARROWED

    def move_to(self, after: Constraint) -> Direction:  # noqa: ARG002 - most constraints cannot be ordered
        """Return which way the constraint moves when ``after``, which differs, takes its place."""
        return BOTH

    @abstractmethod
    def refuses(self, zero: Value) -> bool:
        """Tell whether ``zero``, what a field holds that was not sent, breaks the constraint."""


@dataclass(frozen=True)
class Bound(Constraint):
    """A bound on a number or on a size, from above or from below; a plain number has zero nanoseconds."""

    value: tuple[float, int]
    inclusive: bool
    above: bool

    def move_to(self, after: Constraint) -> Direction:
        """A bound from above widens as it rises, one from below as it falls."""
        if not isinstance(after, Bound):
            return BOTH
        rises = after.order > self.order
        return Direction.WIDENED if rises is self.above else Direction.NARROWED

    def refuses(self, zero: Value) -> bool:  # noqa: ARG002 - of whatever type: its number or its size is zero
        """Tell whether nothing is out of bounds."""
        if not any(self.value):
            return not self.inclusive
        return (self.value < (0, 0)) is self.above

    @property
    def order(self) -> tuple[tuple[float, int], bool]:
        """What bounds on the same side are compared by; the greater lies higher."""
        # Of two bounds of equal value, the one from above that includes it and the one from below that excludes it
        # lie higher.
        return self.value, self.inclusive is self.above

    def __str__(self) -> str:
        shown = self.value if self.value[1] else self.value[0]
        return f"{'<' if self.above else '>'}{'=' if self.inclusive else ''} {shown}"


@dataclass(frozen=True)
class Choice(Constraint):
    """A set of values: the only ones that pass, or the ones that do not."""

    values: frozenset[Value]
    allowed: bool

    def move_to(self, after: Constraint) -> Direction:
        """A larger set widens when it lists what passes, and narrows when it lists what does not."""
        if not isinstance(after, Choice):
            return BOTH
        if self.values < after.values:
            return Direction.WIDENED if self.allowed else Direction.NARROWED
        if after.values < self.values:
            return Direction.NARROWED if self.allowed else Direction.WIDENED
        return BOTH

    def refuses(self, zero: Value) -> bool:
        """Look zero up in the set."""
        return (zero in self.values) is not self.allowed

    def __str__(self) -> str:
        return "{" + ", ".join(sorted(map(str, self.values))) + "}"


@dataclass(frozen=True)
class Pattern(Constraint):
    """A regular expression that a string has to match."""

    expression: str

    def refuses(self, zero: Value) -> bool:  # noqa: ARG002 - the zero of a string is empty
        """Match the empty string."""
        return re.search(self.expression, "") is None

    def __str__(self) -> str:
        return self.expression


@dataclass(frozen=True)
class Exactly(Constraint):
    """One value that a value, or its size, has to have."""

    value: Value
    of_size: bool

    def refuses(self, zero: Value) -> bool:
        """Compare with zero, or with the size of nothing."""
        return self.value != (0 if self.of_size else zero)

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True)
class Property(Constraint):
    """A named property that a value has to have, such as ``unique`` or ``email``, or an expression over it.

    ``argument`` is what the property is about: a prefix, an expression, or True when it needs none.
    """

    name: str
    argument: Value | tuple[str, ...]

    def refuses(self, zero: Value) -> bool:  # noqa: ARG002 - decided by the property alone
        """Count every property as refused, also expressions, but for those that zero is known to have."""
        return self.name not in _PASSED_BY_ZERO

    def __str__(self) -> str:
        return str(self.argument)


@dataclass(frozen=True)
class Ignored(Constraint):
    """When the other constraints do not apply; the greater, the less often they do."""

    when_added: ClassVar[Direction] = Direction.WIDENED

    degree: int

    def move_to(self, after: Constraint) -> Direction:
        """The more is ignored, the more passes."""
        return Direction.WIDENED if isinstance(after, Ignored) and after.degree > self.degree else Direction.NARROWED

    def refuses(self, zero: Value) -> bool:  # noqa: ARG002 - it only ever lets more pass
        """Refuse nothing."""
        return False

    def __str__(self) -> str:
        return str(self.degree)


@dataclass(frozen=True)
class AtMostOne(Constraint):
    """Fields of a message of which at most one, or exactly one, is set."""

    required: bool

    def move_to(self, after: Constraint) -> Direction:
        """Requiring one narrows."""
        return Direction.NARROWED if isinstance(after, AtMostOne) and after.required else Direction.WIDENED

    def refuses(self, zero: Value) -> bool:  # noqa: ARG002 - zero is a message without any of the fields
        """Tell whether one has to be set."""
        return self.required

    def __str__(self) -> str:
        return "exactly one" if self.required else "at most one"
