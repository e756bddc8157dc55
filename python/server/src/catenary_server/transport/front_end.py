"""What answers calls, whichever port and wire they come by: routes, and the guard around them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from catenary_server.transport.codec.inference_stream import InferenceStreamCodec
from catenary_server.transport.config_servicer import ConfigServicer
from catenary_server.transport.dataset_servicer import DatasetServicer
from catenary_server.transport.discovery_servicer import DiscoveryServicer, ServerInfoServicer
from catenary_server.transport.guard import Guard
from catenary_server.transport.inference_servicer import InferenceServicer
from catenary_server.transport.interceptors.admission import Admission
from catenary_server.transport.interceptors.draining import Drain
from catenary_server.transport.interceptors.idempotency import Attempts
from catenary_server.transport.interceptors.rules import FieldRules
from catenary_server.transport.pages import Pages
from catenary_server.transport.pipeline_servicer import PipelineServicer
from catenary_server.transport.plugin_servicer import PluginServicer
from catenary_server.transport.profiling_servicer import ProfilingServicer
from catenary_server.transport.routes import route
from catenary_server.transport.session_servicer import SessionServicer
from catenary_server.transport.settings import CallLimits
from catenary_server.transport.telemetry_servicer import TelemetryServicer
from catenary_server.transport.training_servicer import TrainingServicer

if TYPE_CHECKING:
    from catenary_server.application.discovery import Described
    from catenary_server.transport.interceptors.authentication import Authenticator
    from catenary_server.transport.routes import Routes, Servicer
    from catenary_server.transport.services import Services, TelemetryParts
    from catenary_server.transport.settings import MessageSizes, TransportSettings


@dataclasses.dataclass(frozen=True, slots=True)
class FrontEnd:
    """What all ports of a server share, so that limits and the end of the server are the same on each."""

    routes: Routes
    guard: Guard
    drain: Drain


def build_front_end(settings: TransportSettings, services: Services, authenticator: Authenticator) -> FrontEnd:
    """The front end of these use cases."""
    admission = Admission(settings.limits)
    return _guarded(settings, build_routes(services, settings.sizes, admission), authenticator, admission)


def build_telemetry_front_end(
    settings: TransportSettings, parts: TelemetryParts, authenticator: Authenticator, described: Described
) -> FrontEnd:
    """The front end of telemetry alone; all other RPCs answer that they are not served."""
    admission = Admission(settings.limits)
    servicers: tuple[Servicer, ...] = (
        TelemetryServicer(parts.telemetry, parts.codec, Pages()),
        ServerInfoServicer(described, lambda: routes.capabilities, settings.sizes, admission),
    )
    routes = route(servicers)
    return _guarded(settings, routes, authenticator, admission)


def build_routes(services: Services, sizes: MessageSizes, admission: Admission | None = None) -> Routes:
    """Who answers which RPC. `admission` knows what is under way; without one nothing is."""
    pages, sessions = Pages(), services.sessions
    admission = admission or Admission(CallLimits())
    servicers: tuple[Servicer, ...] = (
        SessionServicer(sessions, pages),
        ConfigServicer(sessions, services.configs, pages),
        PipelineServicer(sessions, services.pipelines, services.visualizations, services.transfers),
        DatasetServicer(services.datasets, pages),
        TrainingServicer(sessions, services.training, services.trainruns),
        PluginServicer(sessions, services.plugins, pages),
        InferenceServicer(sessions, services.inferences, InferenceStreamCodec(FieldRules(), sizes)),
        ProfilingServicer(sessions, services.profiling),
        DiscoveryServicer(services.discovery, lambda: routes.capabilities, sizes, admission, pages),
    )
    if services.telemetry is not None:
        servicers += (TelemetryServicer(services.telemetry.telemetry, services.telemetry.codec, pages),)
    routes = route(servicers)
    return routes


def _guarded(
    settings: TransportSettings, routes: Routes, authenticator: Authenticator, admission: Admission
) -> FrontEnd:
    drain = Drain()
    guard = Guard(
        sizes=settings.sizes,
        authenticator=authenticator,
        admission=admission,
        rules=FieldRules(),
        drain=drain,
        attempts=Attempts(),
    )
    return FrontEnd(routes, guard, drain)
