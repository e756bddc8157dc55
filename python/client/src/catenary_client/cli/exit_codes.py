"""What the exit status of `catenary` means."""

OK = 0
REFUSED = 1
"""The server refused the request, or the run failed."""
USAGE = 2
"""The command line or a local file is wrong."""
NO_CONNECTION = 3
"""Nobody answers at the address."""
INTERRUPTED = 130
"""Ended from the keyboard."""

HELP = (
    "Exit status: 0 done, 1 refused by the server or failed, 2 wrong usage, 3 no connection to the server, "
    "130 interrupted."
)
