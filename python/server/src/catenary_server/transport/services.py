"""What the transport serves: the use cases, as the composition root built them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catenary_server.application.configs import Configs
    from catenary_server.application.datasets import Datasets
    from catenary_server.application.discovery import Discovery
    from catenary_server.application.inference import Inferences
    from catenary_server.application.pipelines import Pipelines
    from catenary_server.application.plugins import Plugins
    from catenary_server.application.profiling import Profiling
    from catenary_server.application.sessions import Sessions
    from catenary_server.application.telemetry import Telemetry
    from catenary_server.application.training import Training
    from catenary_server.application.trainruns import TrainRuns
    from catenary_server.application.transfers import Transfers
    from catenary_server.application.visualization import Visualizations
    from catenary_server.transport.codec.telemetry_message import TelemetryCodec


@dataclasses.dataclass(frozen=True, slots=True)
class TelemetryParts:
    """The use cases of telemetry, and what reads the messages of its streams."""

    telemetry: Telemetry
    codec: TelemetryCodec


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One object for each group of use cases."""

    sessions: Sessions
    configs: Configs
    pipelines: Pipelines
    visualizations: Visualizations
    transfers: Transfers
    plugins: Plugins
    training: Training
    trainruns: TrainRuns
    inferences: Inferences
    discovery: Discovery
    datasets: Datasets
    profiling: Profiling
    telemetry: TelemetryParts | None = None
    """None if the server takes no telemetry."""
