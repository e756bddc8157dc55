"""The command `catenary`: its commands, those that other packages add, and what becomes of failures."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import TYPE_CHECKING

import click

from catenary_client.cli import exit_codes
from catenary_client.cli.command import command
from catenary_client.cli.completion import completion
from catenary_client.cli.configs import configs
from catenary_client.cli.datasets import datasets
from catenary_client.cli.infer import infer
from catenary_client.cli.info import info
from catenary_client.cli.nodes import nodes
from catenary_client.cli.pipelines import pipelines
from catenary_client.cli.plugins import plugins
from catenary_client.cli.profile import profile
from catenary_client.cli.restore import restore
from catenary_client.cli.runs import runs
from catenary_client.cli.scenes import scenes
from catenary_client.cli.sessions import sessions
from catenary_client.cli.train import train
from catenary_client.cli.watch import watch

if TYPE_CHECKING:
    from collections.abc import Sequence

ENTRY_POINTS = "catenary.commands"
"""Group of entry points by which other packages add commands, as the server adds `serve`."""


class CatenaryGroup(click.Group):
    """Commands of this package and of others, which are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, sorted."""
        return sorted({*super().list_commands(ctx), *(point.name for point in self._added())})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        known = super().get_command(ctx, cmd_name)
        if known is not None:
            return known
        for point in self._added():
            if point.name == cmd_name:
                return self._loaded(point)
        return None

    @staticmethod
    def _added() -> Sequence[metadata.EntryPoint]:
        return tuple(metadata.entry_points(group=ENTRY_POINTS))

    @staticmethod
    def _loaded(point: metadata.EntryPoint) -> click.Command:
        command = point.load()
        if not isinstance(command, click.Command):
            raise click.ClickException(f"{point.value} is no command")
        return command


@click.group(
    cls=CatenaryGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=f"""
Examples:

\b
  catenary serve
  catenary info
  catenary train deep_svdd training.trainer.max_epochs=5 --pipeline-out svdd
  catenary infer scene.npz --pipeline svdd --output scores.npz

{exit_codes.HELP}
""",
)
@click.version_option(package_name="catenary-client", prog_name="catenary")
def catenary() -> None:
    """Train and run pipelines on a remote server."""


for _command in (
    command,
    completion,
    configs,
    datasets,
    infer,
    info,
    nodes,
    plugins,
    profile,
    pipelines,
    restore,
    runs,
    scenes,
    sessions,
    train,
    watch,
):
    catenary.add_command(_command)


def main() -> None:
    """Run the command line and leave with its exit status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command line; returns its exit status."""
    try:
        result = catenary.main(list(arguments), prog_name="catenary", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return exit_codes.USAGE
    except (KeyboardInterrupt, click.Abort):
        return exit_codes.INTERRUPTED
    return result if isinstance(result, int) else exit_codes.OK
