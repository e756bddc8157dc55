"""The real application over a fake runtime, fake configurations and real files."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from fake_configs import PIPELINE, TRAINRUN, FakeConfigs
from fake_plugins import FakePlugins
from fake_runtime import CATALOG, FakeRuntime

from catenary_server.application.configs import Configs
from catenary_server.application.control import Control
from catenary_server.application.datasets import Datasets
from catenary_server.application.discovery import Discovery
from catenary_server.application.inference import Inferences
from catenary_server.application.pipelines import Pipelines
from catenary_server.application.plugins import Plugins
from catenary_server.application.profiling import Profiling
from catenary_server.application.sessions import NewSession, SessionLimits, Sessions
from catenary_server.application.training import Training
from catenary_server.application.trainruns import TrainRuns
from catenary_server.application.transfers import Transfers
from catenary_server.application.visualization import Visualizations
from catenary_server.drawing.drawer import ProcessDrawer
from catenary_server.storage.local import LocalStorage

if TYPE_CHECKING:
    from pathlib import Path

    from catenary_server.application.session import Session
    from catenary_server.domain.shared_memory import SegmentSource

OWNER = "anonymous"
READABLE = (".npy", ".npz")


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclasses.dataclass(frozen=True)
class Application:
    """All use cases, and what they stand on."""

    runtime: FakeRuntime
    source: FakeConfigs
    clock: Clock
    sessions: Sessions
    configs: Configs
    pipelines: Pipelines
    plugins: Plugins
    plugin_source: FakePlugins
    training: Training
    trainruns: TrainRuns
    inferences: Inferences
    visualizations: Visualizations
    transfers: Transfers
    discovery: Discovery
    datasets: Datasets
    profiling: Profiling
    control: Control

    def session(self, owner: str = OWNER) -> Session:
        """A new session."""
        return self.sessions.create(owner, NewSession())

    async def loaded(self) -> Session:
        """A new session with a pipeline and a trainrun."""
        session = self.session()
        await self.training.set_config(session, content(TRAINRUN))
        return session


def build_application(
    folder: Path, limits: SessionLimits | None = None, segments: SegmentSource | None = None
) -> Application:
    """An application whose files are below `folder`; without segments it makes no shared memory."""
    for name in ("configs", "artifacts", "data"):
        (folder / name).mkdir(exist_ok=True)
    runtime, source, clock = FakeRuntime(), FakeConfigs(folder / "configs"), Clock()
    fake_plugins = FakePlugins()
    storage = LocalStorage(folder / "artifacts", [folder / "data"], config_roots=[folder / "configs"])
    sessions = Sessions(
        configs=source,
        storage=storage,
        limits=limits or SessionLimits(),
        devices=[device.name for device in CATALOG.devices],
        segments=segments,
        clock=clock,
    )
    plugins = Plugins(source=fake_plugins, runtime=runtime, catalog=CATALOG)
    pipelines = Pipelines(runtime=runtime, plugins=plugins, configs=source)
    return Application(
        runtime=runtime,
        source=source,
        clock=clock,
        sessions=sessions,
        configs=Configs(source),
        pipelines=pipelines,
        plugins=plugins,
        plugin_source=fake_plugins,
        training=Training(pipelines=pipelines, configs=source),
        trainruns=TrainRuns(sessions=sessions, pipelines=pipelines, configs=source),
        inferences=Inferences(),
        datasets=Datasets(LocalStorage(folder / "artifacts", [folder / "data"]), READABLE),
        transfers=Transfers(storage=storage, configs=source, catalog=CATALOG, clock=clock),
        visualizations=Visualizations(catalog=CATALOG, configs=source, drawer=ProcessDrawer()),
        discovery=Discovery(sessions=sessions, runtime=runtime, catalog=CATALOG, configs=source, storage=storage),
        profiling=Profiling(),
        control=Control(),
    )


def content(config: dict[str, Any] | None = None, **changes: object) -> bytes:
    """A configuration as a client sends it; the small pipeline by default."""
    return json.dumps((PIPELINE if config is None else config) | changes).encode()
