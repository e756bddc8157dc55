"""The command line: `catenary`."""

from catenary_client.cli.main import catenary, main, run

__all__ = ["catenary", "main", "run"]
