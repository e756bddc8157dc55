"""A mutant: one way to break one requirement, and an exchange that shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from catenary_conformance.faulty.messages import UNKNOWN_METHOD, path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from catenary_conformance.faulty.exchange import Behaviour
    from catenary_conformance.faulty.stand import Stand

Witness: TypeAlias = "Callable[[Stand], object]"


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A server that breaks one requirement.

    Attributes:
        id: name of the mutant; unique.
        requirement: id of the requirement that it breaks.
        methods: paths of the methods that it touches; all others pass as they are.
        text: what the server does, as a sentence.
        behaviour: the fault.
        witness: an exchange whose outcome is the same each time with a good server, and another with this one.
        near: whether it shows on a connection through the Unix socket of the server only.
    """

    id: str
    requirement: str
    methods: frozenset[str]
    text: str
    behaviour: Behaviour
    witness: Witness
    near: bool = False

    @property
    def area(self) -> str:
        """Area of the requirement, such as SES."""
        return self.requirement.split("-")[1]


def mutant(  # noqa: PLR0917 - rows of a table
    requirement: str,
    name: str,
    methods: str | Iterable[str],
    text: str,
    behaviour: Behaviour,
    witness: Witness,
    *,
    near: bool = False,
) -> Mutant:
    """A mutant of the requirement with this short id, such as `SES-002`; methods by their names."""
    names = [methods] if isinstance(methods, str) else methods
    return Mutant(
        id=f"{requirement.lower()}-{name}",
        requirement=f"CAT-{requirement}",
        methods=frozenset(method if method == UNKNOWN_METHOD else path(method) for method in names),
        text=text,
        behaviour=behaviour,
        witness=witness,
        near=near,
    )
