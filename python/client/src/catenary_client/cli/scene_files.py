"""Scene files of this machine, read by the package that is an extra of the client."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PROCESSING_MODES = ("Raw", "Reflectance")


@contextlib.contextmanager
def scene_files() -> Iterator[ModuleType]:
    """The package `catenary_scenes`; what it refuses becomes a message for whoever typed the command.

    Raises:
        click.ClickException: the package is not installed, or a file is refused.
    """
    try:
        import catenary_scenes  # noqa: PLC0415 - an extra, wanted by these commands alone
    except ModuleNotFoundError as error:
        raise click.ClickException("scene files need the extra: pip install 'catenary-client[scenes]'") from error
    try:
        yield catenary_scenes
    except catenary_scenes.SceneError as error:
        raise click.ClickException(str(error)) from error
