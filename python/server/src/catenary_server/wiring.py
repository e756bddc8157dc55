"""The composition root of the front end: the one place that names concrete classes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from catenary_server import serving
from catenary_server.application.configs import Configs
from catenary_server.application.control import Control
from catenary_server.application.datasets import DatasetLimits, Datasets
from catenary_server.application.discovery import Discovery
from catenary_server.application.inference import Inferences
from catenary_server.application.pipelines import Pipelines
from catenary_server.application.plugins import Plugins
from catenary_server.application.profiling import Profiling
from catenary_server.application.sessions import Sessions
from catenary_server.application.telemetry_publishing import RunPublisher
from catenary_server.application.training import Training
from catenary_server.application.trainruns import TrainRuns
from catenary_server.application.transfers import Transfers
from catenary_server.application.visualization import Visualizations
from catenary_server.configuration.child import COMPOSITION_MODULE
from catenary_server.configuration.source import HydraConfigSource
from catenary_server.drawing.drawer import PICTURE_MODULE, ProcessDrawer
from catenary_server.plugins.installed import InstalledPlugins
from catenary_server.runtimes import ProcessRuntime
from catenary_server.runtimes.segments import FileSegments
from catenary_server.storage.local import LocalStorage
from catenary_server.telemetry_wiring import telemetry_parts
from catenary_server.transport.codec.telemetry_report import TelemetryReportCodec
from catenary_server.transport.front_end import build_front_end
from catenary_server.transport.interceptors.authentication import ANONYMOUS
from catenary_server.transport.services import Services

if TYPE_CHECKING:
    from catenary_server.access import Access
    from catenary_server.domain.runtime import Catalog
    from catenary_server.settings import Settings
    from catenary_server.transport.ports import Ports
    from catenary_server.transport.services import TelemetryParts

log = logging.getLogger(__name__)

LAST_TELEMETRY_SECONDS = 5.0
"""How long the server waits at its end until what its runs said last is safe."""


def run(settings: Settings, access: Access) -> int:
    """Serve until SIGTERM or SIGINT, then drain; a second signal ends at once. Returns the exit code."""
    return serving.run(_serve(settings, access))


async def _serve(settings: Settings, access: Access) -> None:
    stop = serving.stop_signal(settings, access)
    async with contextlib.AsyncExitStack() as stack:
        telemetry = None
        if settings.telemetry is not None:
            telemetry = await stack.enter_async_context(telemetry_parts(settings.telemetry))
        await _serve_until(stop, settings, access, telemetry)
    log.info("Server stopped")


async def _serve_until(
    stop: asyncio.Event, settings: Settings, access: Access, telemetry: TelemetryParts | None
) -> None:
    runtime = ProcessRuntime(
        preload=(COMPOSITION_MODULE, PICTURE_MODULE),
        memory_bytes=settings.worker_memory,
        front_end_cores=settings.front_end_cores,
    )
    catalog = await runtime.start()
    try:
        services = _services(settings, runtime, catalog, telemetry)
        transport = serving.transport_settings(settings, access)
        server = serving.ports(settings, access, transport, build_front_end(transport, services, access.authenticator))
        addresses = await server.start()
        expiry = asyncio.create_task(services.sessions.expire_idle(), name="expire idle sessions")
        sweeping = asyncio.create_task(services.datasets.expire_unfinished(), name="expire unfinished datasets")
        describing = asyncio.create_task(services.plugins.describe_allowed(), name="describe allowed plugins")
        serving.announce(settings, addresses)
        await stop.wait()
        log.info("Stopping: no new calls, %g seconds for those under way", settings.grace)
        await _drain(server, services, settings.grace)
        expiry.cancel()
        describing.cancel()
        sweeping.cancel()
    finally:
        await runtime.close()


def _services(
    settings: Settings, runtime: ProcessRuntime, catalog: Catalog, telemetry: TelemetryParts | None
) -> Services:
    storage = LocalStorage(
        settings.artifacts,
        settings.data,
        anonymous=ANONYMOUS,
        quota=settings.storage_quota,
        config_roots=settings.configs,
    )
    if swept := storage.sweep():
        log.warning("removed %d unfinished files of an earlier server", swept)
    configs = HydraConfigSource(settings.configs)
    sessions = Sessions(
        configs=configs,
        storage=storage,
        limits=settings.sessions,
        devices=[device.name for device in catalog.devices],
        segments=_segments(settings),
    )
    readable = [reader.suffix for reader in catalog.readers]
    datasets = Datasets(storage, readable, DatasetLimits(quota=settings.storage_quota))
    plugins = Plugins(source=InstalledPlugins(settings.plugins), runtime=runtime, catalog=catalog)
    pipelines = Pipelines(runtime=runtime, plugins=plugins, configs=configs)
    publisher = None
    if telemetry is not None:
        publisher = RunPublisher(telemetry.telemetry, TelemetryReportCodec(), Control())
    return Services(
        sessions=sessions,
        configs=Configs(configs),
        pipelines=pipelines,
        transfers=Transfers(storage=storage, configs=configs, catalog=catalog),
        visualizations=Visualizations(catalog=catalog, configs=configs, drawer=ProcessDrawer()),
        plugins=plugins,
        training=Training(pipelines=pipelines, configs=configs, publisher=publisher),
        trainruns=TrainRuns(sessions=sessions, pipelines=pipelines, configs=configs),
        inferences=Inferences(),
        discovery=Discovery(
            sessions=sessions,
            runtime=runtime,
            catalog=catalog,
            configs=configs,
            storage=storage,
            kept=datasets.limits,
        ),
        datasets=datasets,
        profiling=Profiling(),
        telemetry=telemetry,
    )


def _segments(settings: Settings) -> FileSegments | None:
    """Shared memory for clients on the Unix socket; None without one, or where the system has none with names."""
    if settings.unix_socket is None or not settings.sessions.shared_memory:
        return None
    try:
        segments = FileSegments()
    except OSError as error:
        log.warning("no shared memory for clients: %s", error)
        return None
    if swept := segments.sweep():
        log.warning("removed shared memory of %d sessions of an earlier server", swept)
    return segments


async def _drain(server: Ports, services: Services, grace: float) -> None:
    """Runs end at their next step and say so to whoever watches; other calls may finish; then all sessions close.

    Trainings elsewhere are asked at once to go to the next server; what runs here said is safe before this returns.
    """
    await server.begin_drain()
    if services.telemetry is not None:
        services.telemetry.telemetry.drain()
    for session in services.sessions.open_sessions():
        await services.training.stop(session)
    await server.drain(grace)
    await services.sessions.close_all()
    await services.training.close(LAST_TELEMETRY_SECONDS)
