"""The command line: `catenary`."""

from catenary_client.cli.command_line import catenary, main, run

__all__ = ["catenary", "main", "run"]
