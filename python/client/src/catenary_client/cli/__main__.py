"""`python -m catenary_client.cli` is `catenary`."""

from catenary_client.cli.command_line import main

main()
