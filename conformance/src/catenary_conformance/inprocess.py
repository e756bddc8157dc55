"""Runs pytest on the installed cases in this process, whatever the folder it is called from configures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from catenary_conformance import plugin

if TYPE_CHECKING:
    from collections.abc import Sequence

CASES = "catenary_conformance.cases"
INI = Path(__file__).with_name("conformance.ini")
# The last two turn what the client library says as it goes, after an interrupt, into errors of the suite.
_WITHOUT = ("cacheprovider", "terminal", "faulthandler", "unraisableexception", "threadexception")


def run_pytest(arguments: Sequence[str], plugins: Sequence[object], *, everything: bool = True) -> int:
    """Run the cases; returns pytest's exit status.

    Args:
        arguments: options of the suite's plugin, and of pytest.
        plugins: objects with hooks.
        everything: whether to collect all cases; otherwise those of the files that the arguments name.
    """
    own = [
        *(["--pyargs", CASES] if everything else []),
        "-c",
        str(INI),
        "--rootdir",
        str(INI.parent),
        "--confcutdir",
        str(INI.parent),
    ]
    own += ["--disable-plugin-autoload", "-p", "pytest_timeout"]
    for name in _WITHOUT:
        own += ["-p", f"no:{name}"]
    return int(pytest.main([*own, *arguments], plugins=[plugin, *plugins]))
