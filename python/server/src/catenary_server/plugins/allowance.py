"""What an operator allows: a plugin by name, and, if wanted, only certain versions or one exact content."""

from __future__ import annotations

import dataclasses
import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet

_FORM = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(?P<versions>[<>=!~][^@]*)?(?:@sha256:(?P<digest>[0-9a-fA-F]{64}))?"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Allowance:
    """A plugin that may be loaded. An empty `digest` allows any content."""

    name: str
    versions: SpecifierSet
    digest: str = ""

    @staticmethod
    def parse(text: str) -> Allowance:
        """Read `NAME`, `NAME==1.2`, `NAME>=1,<2`, each also with `@sha256:<64 hexadecimal digits>` behind it.

        Raises:
            ValueError: with what is wrong.
        """
        match = _FORM.fullmatch(text.strip())
        if match is None:
            message = f"{text!r} allows no plugin: write NAME, NAME==1.2 or NAME==1.2@sha256:<64 hexadecimal digits>"
            raise ValueError(message)
        try:
            versions = SpecifierSet(match["versions"] or "")
        except InvalidSpecifier as error:
            message = f"{match['versions']!r} in {text!r} is no version specifier such as >=1.2,<2"
            raise ValueError(message) from error
        return Allowance(match["name"], versions, (match["digest"] or "").lower())
