"""`cuvis_ai.v1.CuvisAIService`: clients of published CUVIS.AI schemas work here by changing nothing but the address.

Messages of ours keep the field numbers and types of those schemas, so that bytes pass as they are. Two things differ:
seven responses begin with a `success` flag, and LoadPlugin tells its failures in the response.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from catenary_server.transport.guard import CONTRACT, Dialect
from catenary_wire import fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    import grpc

    from catenary_server.domain.failure import Failure
    from catenary_server.transport.guard import Guard
    from catenary_server.transport.routes import Routes

SERVICE = "cuvis_ai.v1.CuvisAIService"

SUCCESS = b"\x08\x01"
"""`success: true` as field 1, where our messages reserve that number."""

_FLAGGED = Dialect(prefix=SUCCESS)


def _plugin_error(failure: Failure) -> bytes:
    """LoadPluginResponse with `error`, field 2."""
    message = failure.message.encode()
    return fields.header(2, len(message)) + message


def _plugin_failures(failure: Failure) -> bytes:
    """LoadPluginsResponse of schemas before 0.6, with one entry in `failed_plugins`, map field 2."""
    name, message = b"manifest", failure.message.encode()
    entry = fields.header(1, len(name)) + name + fields.header(2, len(message)) + message
    return fields.header(2, len(entry)) + entry


@dataclasses.dataclass(frozen=True, slots=True)
class Alias:
    """One method of the other contract: the RPC of ours that answers it, and how."""

    service: str
    name: str
    dialect: Dialect = CONTRACT

    @property
    def path(self) -> str:
        """Path of our RPC."""
        return f"/catenary.v1.{self.service}/{self.name}"


ALIASES: Mapping[str, Alias] = {
    "CreateSession": Alias("SessionService", "CreateSession"),
    "SetSessionSearchPaths": Alias("SessionService", "SetSessionSearchPaths", _FLAGGED),
    "CloseSession": Alias("SessionService", "CloseSession", _FLAGGED),
    "ResolveConfig": Alias("ConfigService", "ResolveConfig"),
    "GetParameterSchema": Alias("ConfigService", "GetParameterSchema"),
    "ValidateConfig": Alias("ConfigService", "ValidateConfig"),
    "LoadPipeline": Alias("PipelineService", "LoadPipeline", _FLAGGED),
    "LoadPipelineWeights": Alias("PipelineService", "LoadPipelineWeights", _FLAGGED),
    "SavePipeline": Alias("PipelineService", "SavePipeline", _FLAGGED),
    "GetPipelineInputs": Alias("PipelineService", "GetPipelineInputs"),
    "GetPipelineOutputs": Alias("PipelineService", "GetPipelineOutputs"),
    "GetPipelineVisualization": Alias("PipelineService", "GetPipelineVisualization"),
    "SetTrainRunConfig": Alias("TrainingService", "SetTrainRunConfig", _FLAGGED),
    "Train": Alias("TrainingService", "Train"),
    "GetTrainStatus": Alias("TrainingService", "GetTrainStatus"),
    "StopTrain": Alias("TrainingService", "StopTrain"),
    "SaveTrainRun": Alias("TrainingService", "SaveTrainRun", _FLAGGED),
    "RestoreTrainRun": Alias("TrainingService", "RestoreTrainRun"),
    "Inference": Alias("InferenceService", "Inference"),
    "ListAvailablePipelines": Alias("DiscoveryService", "ListAvailablePipelines"),
    "ListAvailablePipelinees": Alias("DiscoveryService", "ListAvailablePipelines"),  # as schemas 0.1 spelled it
    "GetPipelineInfo": Alias("DiscoveryService", "GetPipelineInfo"),
    "ListAvailableNodes": Alias("DiscoveryService", "ListAvailableNodes"),
    "GetTrainingCapabilities": Alias("DiscoveryService", "GetTrainingCapabilities"),
    "LoadPlugin": Alias("PluginService", "LoadPlugin", Dialect(failure_response=_plugin_error)),
    "LoadPlugins": Alias("PluginService", "LoadPlugin", Dialect(failure_response=_plugin_failures)),
    "ListLoadedPlugins": Alias("PluginService", "ListLoadedPlugins"),
    "GetPluginInfo": Alias("PluginService", "GetPluginInfo"),
    "ClearPluginCache": Alias("PluginService", "ClearPluginCache"),
    "SetProfiling": Alias("ProfilingService", "SetProfiling"),
    "GetProfilingSummary": Alias("ProfilingService", "GetProfilingSummary"),
}
"""Every method that a published schema has."""


def alias_handlers(routes: Routes, guard: Guard) -> dict[str, grpc.RpcMethodHandler[bytes, bytes]]:
    """A handler for each method of the other contract; RPCs that are not served answer as ours do."""
    return {
        name: guard.handler(routes.routes[alias.path], f"/{SERVICE}/{name}", alias.dialect)
        for name, alias in ALIASES.items()
    }
