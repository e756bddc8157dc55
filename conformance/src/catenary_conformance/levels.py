"""What a requirement is."""

from __future__ import annotations

import dataclasses
import enum


class Level(enum.Enum):
    """How binding a requirement is."""

    MUST = 1
    SHOULD = 2
    MAY = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Requirement:
    """One normative sentence."""

    id: str
    level: Level
    subject: str
    """Full name of the RPC or field that it stands with."""
    text: str
    methods: tuple[str, ...] = ()
    """Paths of the RPCs that it concerns: its own, or every one whose messages have the field."""

    @property
    def area(self) -> str:
        """The letters of its id: `SES`."""
        return self.id.split("-")[1]
