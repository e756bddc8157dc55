"""The command `catenary serve`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import click

from catenary_server.application.sessions import SessionLimits
from catenary_server.launch import relaunch
from catenary_server.settings import MEBIBYTE, Settings, SettingsError

EXAMPLES = """
Examples:

\b
  catenary serve
  catenary serve --port 50051 --data /srv/scenes --artifacts /srv/catenary
  catenary serve --host 0.0.0.0 --insecure --configs ./configs --configs ./team-configs
"""


class RelaunchedCommand(click.Command):
    """A command that restarts the process before it runs; options are checked first, so that `--help` is quick."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments as they were written, for the restarted process."""
        ctx.meta["catenary.arguments"] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as click declares it
        """Restart, or run."""
        relaunch(ctx.meta["catenary.arguments"])
        return super().invoke(ctx)


def default_configs() -> tuple[Path, ...]:
    """`./configs`, or the one of the repository this package is installed from."""
    candidates = (Path("configs"), Path(__file__).resolve().parents[4] / "configs")
    return tuple(path for path in candidates if path.is_dir())[:1]


@click.command(name="serve", cls=RelaunchedCommand, epilog=EXAMPLES)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=50051, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)
@click.option("--insecure", is_flag=True, help="Listen on a network address without encryption or authentication.")
@click.option(
    "--configs", multiple=True, type=click.Path(path_type=Path), help="Root of configurations; repeatable. [./configs]"
)
@click.option(
    "--artifacts",
    default=Path("artifacts"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="Root of what clients save.",
)
@click.option("--data", multiple=True, type=click.Path(path_type=Path), help="Root of scenes to train on; repeatable.")
@click.option(
    "--max-message-size",
    default=300,
    show_default=True,
    type=click.IntRange(1, 2000),
    help="Largest inference message, in MiB.",
)
@click.option("--max-sessions", default=1000, show_default=True, type=click.IntRange(1), help="Sessions open at once.")
@click.option(
    "--idle-timeout",
    default=3600.0,
    show_default=True,
    type=click.FloatRange(1, 86400),
    help="Seconds after which an unused session is closed.",
)
@click.option(
    "--grace",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0, 3600),
    help="Seconds that running calls get when the server is asked to stop.",
)
@click.option("--no-reflection", is_flag=True, help="Do not describe the services to clients that ask.")
@click.option(
    "--port-file", type=click.Path(path_type=Path), help="File to write host:port to, once requests are answered."
)
@click.option(
    "--log-level", default="info", show_default=True, type=click.Choice(["debug", "info", "warning", "error"])
)
@click.option("--log-format", default="text", show_default=True, type=click.Choice(["text", "json"]))
def serve(*, log_level: str, log_format: str, **options: Any) -> None:  # noqa: ANN401 - each has its option's type
    """Serve sessions, training and inference over gRPC until interrupted.

    Exit codes: 0 after a clean stop, 2 for settings that cannot work, 3 if the port is taken.
    """
    from catenary_server import logs, wiring  # noqa: PLC0415 - so that --help and completion stay quick

    logs.configure(log_level, log_format)
    try:
        settings = _settings(options)
        settings.check()
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    sys.exit(wiring.run(settings))


def _settings(options: dict[str, Any]) -> Settings:
    configs = options["configs"] or default_configs()
    if not configs:
        message = "no folder ./configs here; name one with --configs"
        raise SettingsError(message)
    limits = dataclasses.replace(
        SessionLimits(),
        per_server=options["max_sessions"],
        per_principal=options["max_sessions"],
        idle_timeout=options["idle_timeout"],
    )
    return Settings(
        host=options["host"],
        port=options["port"],
        insecure=options["insecure"],
        configs=tuple(path.resolve() for path in configs),
        artifacts=options["artifacts"].resolve(),
        data=tuple(path.resolve() for path in options["data"]),
        max_message_size=options["max_message_size"] * MEBIBYTE,
        grace=options["grace"],
        reflection=not options["no_reflection"],
        port_file=options["port_file"],
        sessions=limits,
    )
