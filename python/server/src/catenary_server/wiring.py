"""The composition root of the front end: the one place that names concrete classes."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING

import uvloop

from catenary_server.application.configs import Configs
from catenary_server.application.datasets import DatasetLimits, Datasets
from catenary_server.application.discovery import Discovery
from catenary_server.application.inference import Inferences
from catenary_server.application.pipelines import Pipelines
from catenary_server.application.plugins import Plugins
from catenary_server.application.profiling import Profiling
from catenary_server.application.sessions import Sessions
from catenary_server.application.training import Training
from catenary_server.application.trainruns import TrainRuns
from catenary_server.application.transfers import Transfers
from catenary_server.application.visualization import Visualizations
from catenary_server.configuration.child import COMPOSITION_MODULE
from catenary_server.configuration.source import HydraConfigSource
from catenary_server.plugins.installed import InstalledPlugins
from catenary_server.drawing.drawer import PICTURE_MODULE, ProcessDrawer
from catenary_server.runtimes import ProcessRuntime
from catenary_server.storage.local import LocalStorage
from catenary_server.transport.interceptors.authentication import ANONYMOUS
from catenary_server.transport.server import GrpcServer, ListenError, build_server
from catenary_server.transport.services import Services
from catenary_server.transport.settings import MessageSizes, TransportSettings

if TYPE_CHECKING:
    from catenary_server.access import Access
    from catenary_server.domain.runtime import Catalog
    from catenary_server.settings import Settings

log = logging.getLogger(__name__)

CANNOT_LISTEN = 3
"""Exit code when the address is taken."""


def run(settings: Settings, access: Access) -> int:
    """Serve until SIGTERM or SIGINT, then drain; a second signal ends at once. Returns the exit code."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(settings, access))
        except ListenError as error:
            log.error("%s; take another --port, or 0 for a free one", error)  # noqa: TRY400 - no stack is needed
            return CANNOT_LISTEN
    return 0


async def _serve(settings: Settings, access: Access) -> None:
    log.info("Starting Catenary gRPC server on %s:%s", settings.host, settings.port)
    stop = _stop_signal()
    if settings.tokens is not None or settings.tls_cert is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, access.reread)
    runtime = ProcessRuntime(preload=(COMPOSITION_MODULE, PICTURE_MODULE))
    catalog = await runtime.start()
    try:
        services = _services(settings, runtime, catalog)
        server = build_server(_transport(settings, access), services, access.authenticator)
        port = await server.start()
        await server.set_serving(serving=True)
        expiry = asyncio.create_task(services.sessions.expire_idle(), name="expire idle sessions")
        sweeping = asyncio.create_task(services.datasets.expire_unfinished(), name="expire unfinished datasets")
        describing = asyncio.create_task(services.plugins.describe_allowed(), name="describe allowed plugins")
        _announce(settings, port)
        await stop.wait()
        log.info("Stopping: no new calls, %g seconds for those under way", settings.grace)
        await _drain(server, services, settings.grace)
        expiry.cancel()
        describing.cancel()
        sweeping.cancel()
    finally:
        await runtime.close()
    log.info("Server stopped")


def _services(settings: Settings, runtime: ProcessRuntime, catalog: Catalog) -> Services:
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
    )
    datasets = Datasets(storage, DatasetLimits(quota=settings.storage_quota))
    plugins = Plugins(source=InstalledPlugins(settings.plugins), runtime=runtime, catalog=catalog)
    pipelines = Pipelines(runtime=runtime, plugins=plugins, configs=configs)
    return Services(
        sessions=sessions,
        configs=Configs(configs),
        pipelines=pipelines,
        transfers=Transfers(storage=storage, configs=configs, catalog=catalog),
        visualizations=Visualizations(catalog=catalog, configs=configs, drawer=ProcessDrawer()),
        plugins=plugins,
        training=Training(pipelines=pipelines, configs=configs),
        trainruns=TrainRuns(sessions=sessions, pipelines=pipelines, configs=configs),
        inferences=Inferences(),
        discovery=Discovery(sessions=sessions, catalog=catalog, configs=configs, storage=storage, kept=datasets.limits),
        datasets=datasets,
        profiling=Profiling(),
    )


def _transport(settings: Settings, access: Access) -> TransportSettings:
    return TransportSettings(
        host=settings.host,
        port=settings.port,
        sizes=MessageSizes(inference=settings.max_message_size),
        limits=settings.calls,
        reflection=settings.reflection,
        loopback=settings.loopback,
        credentials=access.credentials(),
    )


def _announce(settings: Settings, port: int) -> None:
    log.info("Server started successfully", extra={"address": f"{settings.host}:{port}"})
    log.info("Waiting for incoming connections...")
    if settings.port_file is not None:
        settings.port_file.write_text(f"{settings.host}:{port}\n")


async def _drain(server: GrpcServer, services: Services, grace: float) -> None:
    """Runs end at their next step and say so to whoever watches; other calls may finish; then all sessions close."""
    await server.begin_drain()
    for session in services.sessions.open_sessions():
        await services.training.stop(session)
    await server.drain(grace)
    await services.sessions.close_all()


def _stop_signal() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; the second gets the default action back and ends the process."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def on_signal(number: signal.Signals) -> None:
        stop.set()
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    return stop
