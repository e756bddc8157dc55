"""What runs in the processes that are killed; everything that takes long to import is imported here.

The processes are forked from one that has imported this module, so that a start takes a tenth of a second; nothing
else is shared between them.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from catenary_server import access, logs, telemetry_wiring
from catenary_server.commands import serve
from chaos import trainer

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["access", "logs", "run_server", "run_trainer", "telemetry_wiring"]


def run_server(arguments: list[str], log: Path) -> None:
    """`catenary serve`, in this process."""
    _write_to(log)
    os.environ["CATENARY_LAUNCHED"] = str(os.getpid())  # it need not start the interpreter again
    serve.main(arguments, prog_name="catenary serve")


def run_trainer(plan: trainer.Plan, log: Path) -> None:
    """A training, in this process."""
    _write_to(log)
    trainer.run(plan)


def _write_to(log: Path) -> None:
    """What the process says goes to the end of a file."""
    with log.open("ab") as stream, contextlib.ExitStack() as flushed:
        for output in (sys.stdout, sys.stderr):
            flushed.callback(os.dup2, stream.fileno(), output.fileno())
