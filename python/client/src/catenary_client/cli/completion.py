"""`catenary completion`: the script that teaches a shell the commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(
    epilog="""
Examples:

\b
  eval "$(catenary completion bash)"
  catenary completion zsh > ~/.zfunc/_catenary
  catenary completion fish > ~/.config/fish/completions/catenary.fish
"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(kind(ctx.find_root().command, {}, "catenary", "_CATENARY_COMPLETE").source())
