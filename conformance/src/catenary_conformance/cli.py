"""The command line: `catenary-conformance`, also `catenary conformance`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

import click
from click.shell_completion import get_completion_class

from catenary_conformance.commands.compare import diff, replay
from catenary_conformance.commands.look import list_requirements, show
from catenary_conformance.commands.mutants import mutants
from catenary_conformance.commands.run import run
from catenary_conformance.commands.steadiness import steadiness
from catenary_conformance.conclusion import INTERRUPTED, USAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = """
Examples:

\b
  catenary-conformance run localhost:50051
  catenary-conformance run gpu.example.org:443 --tls --token "$TOKEN" --profile infer
  catenary-conformance show CAT-SES-004
  catenary-conformance replay conformance-report/transcripts/CASE.transcript.json localhost:50051
  eval "$(catenary-conformance completion bash)"

Exit status: 0 nothing failed, 1 not conformant, 2 wrong usage, 3 nobody answers at the address, 130 interrupted.
"""


@click.group(
    name="conformance",
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="catenary-conformance", prog_name="catenary-conformance")
def conformance() -> None:
    """Test whether a server keeps the Catenary contract. It needs an address and nothing else."""


@conformance.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(kind(conformance, {}, "catenary-conformance", "_CATENARY_CONFORMANCE_COMPLETE").source())


for _command in (run, list_requirements, show, replay, diff, mutants, steadiness):
    conformance.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line, by default that of the process, and leave with its exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        result = conformance.main(given, prog_name="catenary-conformance", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(USAGE)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(INTERRUPTED)
    sys.exit(result if isinstance(result, int) else 0)
