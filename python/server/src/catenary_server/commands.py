"""The command `catenary serve`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from catenary_server.application.sessions import SessionLimits
from catenary_server.application.telemetry_upkeep import Retention
from catenary_server.domain.telemetry import TelemetryLimits
from catenary_server.launch import relaunch
from catenary_server.plugins.allowance import Allowance
from catenary_server.settings import MEBIBYTE, DashboardSettings, Settings, SettingsError, TelemetrySettings
from catenary_server.transport.settings import CallLimits

if TYPE_CHECKING:
    from catenary_server.access import Access

CALLS = CallLimits()
TELEMETRY = TelemetryLimits()
RETENTION = Retention()
DASHBOARD_PORT = 50080
DAY_SECONDS = 24 * 3600.0
FILE = click.Path(path_type=Path)

EXAMPLES = """
Examples:

\b
  catenary serve
  catenary serve --port 50051 --data /srv/scenes --artifacts /srv/catenary
  catenary serve --host 0.0.0.0 --tls-cert server.pem --tls-key server.key --tokens tokens
  catenary serve --host 0.0.0.0 --insecure --configs ./configs --configs ./team-configs
  catenary serve --only telemetry --telemetry /srv/runs
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
@click.option(
    "--dashboard-port",
    type=click.IntRange(0, 65535),
    help=f"Port of the dashboard; 0 takes a free one.  [default: {DASHBOARD_PORT}, or a free one with --port 0]",
)
@click.option(
    "--dashboard-host",
    "dashboard_hosts",
    multiple=True,
    metavar="NAME",
    help="Name under which browsers reach the dashboard, beside the address itself: NAME, NAME:PORT, or the whole "
    "https://NAME of a proxy in front; repeatable.",
)
@click.option(
    "--dashboard-file", type=FILE, help="File to write the dashboard's address to, once requests are answered."
)
@click.option("--no-dashboard", is_flag=True, help="Serve no dashboard.")
@click.option("--insecure", is_flag=True, help="Listen on a network address without encryption or authentication.")
@click.option("--tls-cert", type=FILE, help="Certificate in PEM, its intermediates behind it; with --tls-key.")
@click.option("--tls-key", type=FILE, help="Private key of the certificate in PEM, without a password.")
@click.option("--tls-client-ca", type=FILE, help="Authorities in PEM; clients then need a certificate of one of them.")
@click.option(
    "--tokens", type=FILE, help="File of tokens, as `catenary tokens create` writes it; SIGHUP reads it again."
)
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
@click.option(
    "--only",
    type=click.Choice(["telemetry"]),
    help="Serve that alone: no sessions, no training; needs neither configurations nor torch.",
)
@click.option("--telemetry", type=FILE, help="Folder of the runs.  [default: `telemetry` beside the artifact root]")
@click.option(
    "--telemetry-size",
    default=RETENTION.most_bytes / MEBIBYTE / 1024,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="GiB that runs may take; those that ended first go first.",
)
@click.option(
    "--telemetry-days",
    default=RETENTION.most_age / DAY_SECONDS,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Days that a run is kept after its last message.",
)
@click.option(
    "--telemetry-max-batch",
    default=TELEMETRY.max_batch_size,
    show_default=True,
    type=click.IntRange(1, 4096),
    help="Samples of a batch whose predictions and labels are taken.",
)
@click.option(
    "--telemetry-max-image",
    default=TELEMETRY.max_image_dimension,
    show_default=True,
    type=click.IntRange(1, 8192),
    help="Largest width and height of an image, in pixels.",
)
@click.option(
    "--telemetry-heartbeat",
    default=TELEMETRY.heartbeat_interval,
    show_default=True,
    type=click.FloatRange(0.1, 3600),
    help="Seconds between two heartbeats of a writer; after three without one it counts as lost.",
)
@click.option(
    "--telemetry-buffer",
    default=TELEMETRY.buffer_size,
    show_default=True,
    type=click.IntRange(1, 1_000_000),
    help="Messages that a writer may have sent and not yet seen acknowledged.",
)
@click.option("--data", multiple=True, type=click.Path(path_type=Path), help="Root of scenes to train on; repeatable.")
@click.option(
    "--max-message-size",
    default=300,
    show_default=True,
    type=click.IntRange(1, 2000),
    help="Largest inference message, in MiB.",
)
@click.option(
    "--worker-memory",
    type=click.IntRange(256),
    help="Most private memory of a session's process, in MiB; accelerators and payloads are not in it.  [no bound]",
)
@click.option(
    "--front-end-cores",
    type=click.IntRange(0),
    help="Cores that training leaves to the rest of the server, so that it does not slow the inferences of others; "
    "0 divides nothing.  [default: one of eight, at least one]",
)
@click.option("--max-sessions", default=1000, show_default=True, type=click.IntRange(1), help="Sessions open at once.")
@click.option(
    "--max-sessions-per-principal",
    type=click.IntRange(1),
    help="Sessions of one principal.  [default: half of --max-sessions with --tokens, else all]",
)
@click.option(
    "--max-shared-memory",
    default=4096,
    show_default=True,
    type=click.IntRange(0),
    help="Shared memory of all sessions together, in MiB, for clients on --unix-socket; 0 makes none.",
)
@click.option(
    "--max-shared-memory-per-session",
    default=1024,
    show_default=True,
    type=click.IntRange(1),
    help="Shared memory of one session, in MiB.",
)
@click.option(
    "--max-calls",
    default=CALLS.calls,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Calls of one principal under way at once.",
)
@click.option(
    "--max-streams",
    default=CALLS.streams,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Streams of one principal open at once.",
)
@click.option(
    "--max-request-memory",
    default=CALLS.memory // MEBIBYTE,
    show_default=True,
    type=click.IntRange(1),
    help="MiB that large requests under way may hold together.",
)
@click.option(
    "--connection-age",
    default=CALLS.connection_age,
    show_default=True,
    type=click.FloatRange(1),
    help="Seconds after which a connection takes no new calls; clients connect again by themselves.",
)
@click.option(
    "--connection-grace",
    default=CALLS.connection_grace,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds that streams on such a connection may still last.",
)
@click.option(
    "--storage-quota",
    type=click.IntRange(1),
    help="MiB that the datasets and saved files of one principal may take together.  [default: no bound]",
)
@click.option(
    "--allow-plugin",
    "plugins",
    multiple=True,
    metavar="NAME",
    help="Installed plugin that sessions may load: NAME, NAME==1.2 or NAME@sha256:DIGEST; repeatable.",
)
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
    "--unix-socket",
    type=click.Path(path_type=Path),
    help="Listen on this socket too, for clients of the same user on this machine: unix:PATH.",
)
@click.option(
    "--port-file", type=click.Path(path_type=Path), help="File to write host:port to, once requests are answered."
)
@click.option(
    "--log-level", default="info", show_default=True, type=click.Choice(["debug", "info", "warning", "error"])
)
@click.option("--log-format", default="text", show_default=True, type=click.Choice(["text", "json"]))
def serve(*, log_level: str, log_format: str, **options: Any) -> None:  # noqa: ANN401 - each has its option's type
    """Serve sessions, training, inference and telemetry over gRPC until interrupted.

    Exit codes: 0 after a clean stop, 2 for settings that cannot work, 3 if the port is taken.
    """
    from catenary_server import access, logs  # noqa: PLC0415 - so that --help and completion stay quick

    logs.configure(log_level, log_format)
    try:
        settings = _settings(options)
        settings.check()
        server_access = access.Access(settings)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    sys.exit(_run(settings, server_access))


def _run(settings: Settings, server_access: Access) -> int:
    """Serve all, or telemetry alone, which does not even import what trains."""
    if settings.only_telemetry:
        from catenary_server import telemetry_wiring  # noqa: PLC0415 - as above

        return telemetry_wiring.run(settings, server_access)
    from catenary_server import wiring  # noqa: PLC0415 - as above

    return wiring.run(settings, server_access)


def _settings(options: dict[str, Any]) -> Settings:
    alone = options["only"] == "telemetry"
    configs = () if alone else options["configs"] or default_configs()
    if not configs and not alone:
        message = "no folder ./configs here; name one with --configs"
        raise SettingsError(message)
    limits = dataclasses.replace(
        SessionLimits(),
        per_server=options["max_sessions"],
        per_principal=options["max_sessions_per_principal"] or _share(options),
        idle_timeout=options["idle_timeout"],
        shared_memory=options["max_shared_memory"] * MEBIBYTE,
        shared_memory_of_session=options["max_shared_memory_per_session"] * MEBIBYTE,
    )
    return Settings(
        host=options["host"],
        port=options["port"],
        insecure=options["insecure"],
        tls_cert=options["tls_cert"],
        tls_key=options["tls_key"],
        tls_client_ca=options["tls_client_ca"],
        tokens=options["tokens"],
        configs=tuple(path.resolve() for path in configs),
        artifacts=options["artifacts"].resolve(),
        data=() if alone else tuple(path.resolve() for path in options["data"]),
        max_message_size=options["max_message_size"] * MEBIBYTE,
        storage_quota=None if options["storage_quota"] is None else options["storage_quota"] * MEBIBYTE,
        grace=options["grace"],
        reflection=not options["no_reflection"],
        port_file=options["port_file"],
        unix_socket=None if options["unix_socket"] is None else options["unix_socket"].absolute(),
        sessions=limits,
        worker_memory=None if options["worker_memory"] is None else options["worker_memory"] * MEBIBYTE,
        front_end_cores=options["front_end_cores"],
        plugins=_allowances(options["plugins"]),
        calls=CallLimits(
            calls=options["max_calls"],
            streams=options["max_streams"],
            memory=options["max_request_memory"] * MEBIBYTE,
            connection_age=options["connection_age"],
            connection_grace=options["connection_grace"],
        ),
        telemetry=_telemetry(options),
        only_telemetry=alone,
        dashboard=_dashboard(options),
    )


def _dashboard(options: dict[str, Any]) -> DashboardSettings | None:
    """Whoever takes any free port for gRPC starts several servers, so that the dashboard's may not be fixed either."""
    if options["no_dashboard"]:
        return None
    port = options["dashboard_port"]
    if port is None:
        port = DASHBOARD_PORT if options["port"] else 0
    return DashboardSettings(port=port, hosts=options["dashboard_hosts"], file=options["dashboard_file"])


def _telemetry(options: dict[str, Any]) -> TelemetrySettings:
    folder = options["telemetry"] or options["artifacts"].parent / "telemetry"
    return TelemetrySettings(
        folder=folder.resolve(),
        limits=dataclasses.replace(
            TELEMETRY,
            max_batch_size=options["telemetry_max_batch"],
            max_image_dimension=options["telemetry_max_image"],
            heartbeat_interval=options["telemetry_heartbeat"],
            buffer_size=options["telemetry_buffer"],
        ),
        retention=Retention(
            most_bytes=int(options["telemetry_size"] * 1024 * MEBIBYTE),
            most_age=options["telemetry_days"] * DAY_SECONDS,
        ),
    )


def _allowances(texts: tuple[str, ...]) -> tuple[Allowance, ...]:
    try:
        return tuple(Allowance.parse(text) for text in texts)
    except ValueError as error:
        message = f"--allow-plugin: {error}"
        raise SettingsError(message) from error


def _share(options: dict[str, Any]) -> int:
    """Sessions of one principal, so that none of several can take them all."""
    sessions: int = options["max_sessions"]
    return sessions if options["tokens"] is None else max(1, sessions // 2)
