"""`python -m benchmarks.serving OPTIONS`: `catenary serve`, whose workers also know the nodes of the bench."""

from __future__ import annotations

import functools
import os

from catenary_server import wiring
from catenary_server.commands import serve
from catenary_server.runtimes import ProcessRuntime


def main() -> None:
    """Serve as the real program does, on another engine."""
    os.environ["CATENARY_LAUNCHED"] = str(os.getpid())  # the bench has set the allocator's tunables already
    runtime = functools.partial(ProcessRuntime, engine="benchmarks.serving.engine:build_engine")
    setattr(wiring, "ProcessRuntime", runtime)  # noqa: B010 - the one thing that differs; a type checker forbids it
    serve(prog_name="benchmarks.serving")


if __name__ == "__main__":
    main()
