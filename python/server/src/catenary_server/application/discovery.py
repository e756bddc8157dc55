"""What the server tells about itself."""

from __future__ import annotations

import dataclasses
import secrets
import time
from typing import TYPE_CHECKING, Protocol

from catenary_server.application.datasets import DatasetLimits
from catenary_server.application.sessions import SessionLimits, SessionUse

if TYPE_CHECKING:
    from catenary_server.application.sessions import Sessions
    from catenary_server.domain.config_source import ConfigSource, TrainingMeans
    from catenary_server.domain.node import NodeSpec
    from catenary_server.domain.pipeline import PipelineFile
    from catenary_server.domain.runtime import Catalog, DataReader, Device, Runtime
    from catenary_server.domain.storage import Storage


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """A server at one moment. `epoch` differs after every start; `start_time` is Unix seconds."""

    epoch: str
    start_time: float
    devices: tuple[Device, ...]
    sessions: SessionUse
    workers: int
    """Processes that hold a pipeline, of any principal."""
    kept: DatasetLimits


@dataclasses.dataclass(frozen=True, slots=True)
class TrainingCapabilities:
    """What a training may use: means of optimisation, and formats of data."""

    means: TrainingMeans
    readers: tuple[DataReader, ...]


class Described(Protocol):
    """What a server says about itself, whatever it serves."""

    def server(self, principal: str) -> ServerFacts:
        """Epoch, devices, and how many sessions there are and may be, as the principal sees it."""
        ...


class TelemetryAlone:
    """Describes a server that takes telemetry and nothing else: it has neither devices nor room for sessions."""

    def __init__(self) -> None:
        nothing = SessionUse(limits=SessionLimits(per_server=0, per_principal=0), server=0, principal=0)
        self._facts = ServerFacts(
            epoch=secrets.token_hex(8),
            start_time=time.time(),
            devices=(),
            sessions=nothing,
            workers=0,
            kept=DatasetLimits(),
        )

    def server(self, _principal: str) -> ServerFacts:
        """See `Described.server`."""
        return self._facts


class Discovery:
    """Describes the server, its pipelines and its node types. Changes nothing."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        runtime: Runtime,
        catalog: Catalog,
        configs: ConfigSource,
        storage: Storage,
        kept: DatasetLimits | None = None,
    ) -> None:
        self._sessions = sessions
        self._runtime = runtime
        self._catalog = catalog
        self._configs = configs
        self._storage = storage
        self._kept = kept or DatasetLimits()
        self._epoch = secrets.token_hex(8)
        self._start_time = time.time()

    def server(self, principal: str) -> ServerFacts:
        """Epoch, devices, and how many sessions there are and may be, as the principal sees it."""
        return ServerFacts(
            epoch=self._epoch,
            start_time=self._start_time,
            devices=self._catalog.devices,
            sessions=self._sessions.use(principal),
            workers=self._runtime.worker_count,
            kept=self._kept,
        )

    def nodes(self, principal: str, session_id: str) -> tuple[NodeSpec, ...]:
        """Node types that a pipeline can be made of, sorted by class name; with a session, those of its plugins too.

        Raises:
            Failure: SESSION_NOT_FOUND if a session is named that the principal does not have.
        """
        plugins = self._sessions.find(principal, session_id).plugin_nodes() if session_id else {}
        nodes = {**self._catalog.nodes, **plugins}
        return tuple(nodes[name] for name in sorted(nodes))

    async def pipelines(self, principal: str, tag: str = "") -> tuple[PipelineFile, ...]:
        """Pipelines of the operator and of the principal, sorted by path; with a tag, those that carry it."""
        own = self._storage.area(principal).locate(".")
        files = await self._configs.list_pipelines(own)
        return tuple(file for file in files if not tag or tag in file.metadata.tags)

    async def pipeline(self, principal: str, path: str) -> PipelineFile:
        """One pipeline with the text of its file.

        Raises:
            Failure: CONFIG_NOT_FOUND, PATH_INVALID, PATH_NOT_ALLOWED, ARTIFACT_CORRUPT.
        """
        return await self._configs.find_pipeline(path, self._storage.area(principal).locate("."))

    def training(self) -> TrainingCapabilities:
        """Optimizers, schedulers, callbacks and data formats."""
        return TrainingCapabilities(self._configs.training_means(), self._catalog.readers)
