"""Loading, weighing and saving the pipeline of a session."""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib.metadata
import json
from typing import TYPE_CHECKING

from catenary_server.application.session import LoadedPipeline, Session
from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.graph import check_graph
from catenary_server.domain.pipeline import NodeConfig, PipelineConfig, PipelineMetadata
from catenary_server.domain.session import SessionState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from catenary_server.application.plugins import Plugins
    from catenary_server.domain.config_source import ConfigSource
    from catenary_server.domain.graph import Graph
    from catenary_server.domain.node import NodeSpec
    from catenary_server.domain.pipeline import PipelinePorts
    from catenary_server.domain.runtime import Runtime, WeightsReport, Worker
    from catenary_server.domain.storage import FileArea

WEIGHTS_SUFFIX = ".safetensors"
CONFIG_SUFFIX = ".yaml"
CLIENT_BYTES = "(client-bytes)"
"""The name of weights that came in a request."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Weights that were read, and whether they must fit exactly."""

    name: str
    content: bytes
    strict: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LoadedWeights:
    """The file that weights came from, or `CLIENT_BYTES`, and what did not find its counterpart."""

    name: str
    report: WeightsReport


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SavedPipeline:
    """Where a pipeline was saved, by names that later requests may use."""

    pipeline_path: str
    weights_path: str


class Pipelines:
    """Builds pipelines in the session's worker, and moves their weights in and out of files."""

    def __init__(self, *, runtime: Runtime, plugins: Plugins, configs: ConfigSource) -> None:
        self._runtime = runtime
        self._plugins = plugins
        self._configs = configs

    async def load_bytes(self, session: Session, content: bytes) -> PipelineMetadata:
        """Check a configuration and build its pipeline, in place of the one before.

        Raises:
            Failure: CONFIG_INVALID and the forbidden constructs, or as `load`.
        """
        return await self.load(session, self._configs.read_pipeline(content))

    async def load(self, session: Session, config: PipelineConfig, weights: Weights | None = None) -> PipelineMetadata:
        """Build a pipeline, with weights if they are given. A failure leaves the session as it was.

        Raises:
            Failure: NODE_TYPE_UNKNOWN, PLUGIN_NOT_INSTALLED, GRAPH_INVALID, PATH_INVALID, NODE_FAILED, SESSION_BUSY,
                SESSION_CLOSING, DEVICE_UNAVAILABLE; with weights, as `load_weights`.
        """
        session.require_idle()
        graph = check_graph(config, self._plugins.types(session, config))
        confined = _confine(config, graph, session.area)
        async with session.change:
            session.require_idle()
            before, former = session.state, session.pipeline
            session.enter(SessionState.LOADING)
            try:
                worker = await self._built(session, confined, weights)
            except BaseException as error:
                if session.state is SessionState.CLOSING and isinstance(error, Failure):
                    raise session.closing_failure() from error
                if session.state is SessionState.LOADING:
                    session.enter(before)
                raise
            await _refuse_if_closing(session, worker)
            session.pipeline = LoadedPipeline(config, graph, worker)
            session.failure = None
            session.saved_pipeline, session.saved_weights = None, weights.name if weights is not None else None
            session.enter(SessionState.READY)
            if former is not None and former.worker is not worker:
                await former.worker.close()
        return config.metadata

    async def _built(self, session: Session, config: PipelineConfig, weights: Weights | None) -> Worker:
        """A worker with the pipeline in it.

        A worker replaces its pipeline whole or not at all; a pipeline and its weights are two steps, so that they are
        taken in a new worker and the former one stays until both are done.
        """
        former = session.pipeline
        if former is not None and weights is None:
            await _load(session, former.worker, config)
            return former.worker
        worker = await self._runtime.start_worker(device=session.device, on_lost=_lost(session))
        try:
            await _load(session, worker, config)
            if weights is not None:
                await worker.load_weights(weights.content, strict=weights.strict)
        except BaseException:
            await worker.close()
            raise
        return worker

    async def read_weights(self, session: Session, path: str, *, strict: bool) -> Weights:
        """Weights from a file below the session's search paths or in its area.

        Raises:
            Failure: ARTIFACT_NOT_FOUND, PATH_INVALID, PATH_NOT_ALLOWED, STORAGE_IO.
        """
        place = session.area.find(path, (WEIGHTS_SUFFIX, ".pt"), session.search_paths)
        name = session.area.name(place, session.search_paths)
        return Weights(name=name, content=await session.area.read(place), strict=strict)

    async def load_weights(self, session: Session, source: str | bytes, *, strict: bool) -> LoadedWeights:
        """Load weights from a file that the session finds, or from bytes; all or nothing.

        Raises:
            Failure: STATE_INVALID, SESSION_BUSY, ARTIFACT_NOT_FOUND, PATH_INVALID, WEIGHTS_FORMAT_FORBIDDEN,
                WEIGHTS_CORRUPT, WEIGHTS_MISMATCH.
        """
        session.require_pipeline()
        session.require_idle()
        if isinstance(source, bytes):
            weights = Weights(name=CLIENT_BYTES, content=source, strict=strict)
        else:
            weights = await self.read_weights(session, source, strict=strict)
        async with session.change:
            session.require_idle()
            with session.engaged() as pipeline:
                report = await pipeline.worker.load_weights(weights.content, strict=strict)
        session.saved_weights = None if isinstance(source, bytes) else weights.name
        return LoadedWeights(name=weights.name, report=report)

    async def save(
        self, session: Session, path: str, metadata: PipelineMetadata | None = None, *, must_not_exist: bool = False
    ) -> SavedPipeline:
        """Write `X.yaml` and `X.safetensors`, weights first, so that a pipeline that is there is there whole.

        Raises:
            Failure: STATE_INVALID, SESSION_BUSY, PATH_INVALID, PATH_NOT_ALLOWED, ARTIFACT_EXISTS, DISK_FULL,
                STORAGE_IO.
        """
        session.require_pipeline()
        session.require_idle()
        config_place = locate_with_suffix(session.area, path, CONFIG_SUFFIX)
        weights_place = config_place.with_suffix(WEIGHTS_SUFFIX)
        with session.engaged() as pipeline:
            weights = await pipeline.worker.dump_weights()
        config = dataclasses.replace(pipeline.config, metadata=_stamped(pipeline.config.metadata, metadata))
        files = {weights_place: weights, config_place: self._configs.write(config)}
        await session.area.write(files, must_not_exist=must_not_exist)
        saved = SavedPipeline(
            pipeline_path=session.area.name(config_place), weights_path=session.area.name(weights_place)
        )
        session.saved_pipeline, session.saved_weights = saved.pipeline_path, saved.weights_path
        return saved

    def ports(self, session: Session) -> PipelinePorts:
        """What the pipeline takes and gives. STATE_INVALID without one."""
        return session.require_pipeline().graph.ports()


def _confine(config: PipelineConfig, graph: Graph, area: FileArea) -> PipelineConfig:
    """The same pipeline with every path parameter made absolute inside the session's area, for the worker."""
    nodes = tuple(_confine_node(node, graph.types[node.name], area) for node in config.nodes)
    return dataclasses.replace(config, nodes=nodes)


def _confine_node(node: NodeConfig, node_type: NodeSpec, area: FileArea) -> NodeConfig:
    params = dict(node.params)
    for spec in node_type.params:
        value = params.get(spec.name, json.loads(spec.default or "null")) if spec.is_path else None
        if value is None:
            continue
        if not isinstance(value, str):
            fault = Violation(f"nodes.{node.name}.params.{spec.name}", "must be a path")
            raise Failure(Reason.PATH_INVALID, f"{fault.subject} {fault.description}", violations=(fault,))
        params[spec.name] = str(area.locate(value))
    return dataclasses.replace(node, params=params)


def locate_with_suffix(area: FileArea, path: str, suffix: str) -> Path:
    """The place of a file to be written, with the suffix that its kind has."""
    place = area.locate(path)
    return place if place.suffix == suffix else place.with_name(place.name + suffix)


def _stamped(metadata: PipelineMetadata, given: PipelineMetadata | None) -> PipelineMetadata:
    """The metadata to save: what the client gave wins over what the pipeline has."""
    wanted = given or PipelineMetadata()
    return dataclasses.replace(
        metadata,
        name=wanted.name or metadata.name,
        description=wanted.description or metadata.description,
        created=wanted.created or dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        tags=wanted.tags or metadata.tags,
        author=wanted.author or metadata.author,
        catenary_version=importlib.metadata.version("catenary-server"),
    )


async def _load(session: Session, worker: Worker, config: PipelineConfig) -> None:
    """Build a pipeline in a worker, which imports the plugins that it needs before."""
    wanted = {node.type_name for node in config.nodes}
    for plugin in tuple(session.plugins.values()):
        if wanted & plugin.nodes.keys():
            await worker.load_plugin(plugin.installed)
    await worker.load_pipeline(config)


def _lost(session: Session) -> Callable[[Failure], None]:
    def on_lost(failure: Failure) -> None:
        if session.state is SessionState.CLOSING:
            return
        session.pipeline = None
        session.failure = failure
        session.enter(SessionState.FAILED)

    return on_lost


async def _refuse_if_closing(session: Session, worker: Worker) -> None:
    """A session that was closed while its pipeline was built must not keep the worker."""
    if session.state is SessionState.CLOSING:
        await worker.close()
        raise session.closing_failure()
