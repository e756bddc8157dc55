"""Runtimes: the processes that sessions compute in, and how the front end talks to them. Never imports torch."""

from catenary_server.runtimes.process_runtime import ProcessRuntime

__all__ = ["ProcessRuntime"]
