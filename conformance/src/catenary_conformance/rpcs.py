"""The RPCs that cases call, each with the types of its messages, so that a case is checked by types.

`GET_SESSION.ok(target, request)` gives the response or fails the case. `.refused(target, request, reason="...")` gives
the answer if the call was refused with that reason, and with the code that the contract has for it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from google.protobuf.message import Message

from catenary.telemetry.v1 import (
    command_request_pb2,
    metric_query_pb2,
    registration_pb2,
    run_request_pb2,
    stream_pb2,
    watch_pb2,
)
from catenary.v1 import config_requests_pb2 as configs
from catenary.v1 import dataset_requests_pb2 as datasets
from catenary.v1 import discovery_service_pb2 as discovery
from catenary.v1 import inference_requests_pb2 as inference
from catenary.v1 import pipeline_requests_pb2 as pipelines
from catenary.v1 import pipeline_transfer_pb2 as transfers
from catenary.v1 import plugin_service_pb2 as plugins
from catenary.v1 import profiling_service_pb2 as profiling
from catenary.v1 import session_requests_pb2 as sessions
from catenary.v1 import train_run_config_pb2 as trainruns
from catenary.v1 import training_pb2 as training
from catenary.v1 import training_requests_pb2 as runs
from catenary_conformance.contract import Contract
from catenary_conformance.target import DEFAULT, WORK_SECONDS, Default

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catenary_conformance.answer import Answer
    from catenary_conformance.conversation import Stream
    from catenary_conformance.target import Target

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)

Token = str | None | Default


@dataclasses.dataclass(frozen=True, slots=True)
class Rpc(Generic[Q, R]):
    """An RPC of the contract, by the name of its request: `GetSessionRequest` is asked of `GetSession`."""

    request: type[Q]
    response: type[R]

    @property
    def path(self) -> str:
        """`/catenary.v1.SessionService/GetSession`."""
        return Contract.load().method(self.request.DESCRIPTOR.name.removesuffix("Request")).path

    def open(self, target: Target, *requests: Q, token: Token = DEFAULT, timeout: float = WORK_SECONDS) -> Stream:
        """A call that has been sent these requests; use it in a `with` block, which ends it.

        Where the RPC takes one request, it is also told that there are no more, as every client does.
        """
        stream = target.stream(self.path, timeout=timeout, token=token)
        for request in requests:
            stream.send(request)
        if not Contract.load().methods[self.path].client_streaming:
            stream.half_close()
        return stream

    def answer(self, target: Target, *requests: Q, token: Token = DEFAULT, timeout: float = WORK_SECONDS) -> Answer:
        """How a call with these requests ends."""
        return self.exchange(target, *requests, token=token, timeout=timeout)[1]

    def exchange(
        self, target: Target, *requests: Q, token: Token = DEFAULT, timeout: float = WORK_SECONDS
    ) -> tuple[list[R], Answer]:
        """Every response of a call with these requests, and how it ended."""
        with self.open(target, *requests, token=token, timeout=timeout) as stream:
            stream.half_close()
            answer = stream.end()
            return list(stream.received), answer

    def ok(self, target: Target, *requests: Q, token: Token = DEFAULT) -> R:
        """The response of an RPC that answers with one.

        Raises:
            WrongAnswer: the call was refused.
        """
        response: R = self.answer(target, *requests, token=token).expect_ok()
        return response

    def all(self, target: Target, *requests: Q, token: Token = DEFAULT) -> list[R]:
        """Every response of an RPC that answers with a stream.

        Raises:
            WrongAnswer: the stream ended with another status than OK.
        """
        responses, answer = self.exchange(target, *requests, token=token)
        answer.expect_ok()
        return responses

    def refused(self, target: Target, *requests: Q, reason: str, token: Token = DEFAULT) -> Answer:
        """How a call ended that must be refused with a reason, and with the code that the contract has for it.

        Raises:
            WrongAnswer: it was not, or for another reason.
        """
        return expect_reason(self.answer(target, *requests, token=token), reason)


def expect_reason(answer: Answer, reason: str) -> Answer:
    """The answer, if it is a refusal with this reason and the code that the contract has for it.

    Raises:
        WrongAnswer: it is not.
    """
    return answer.expect(Contract.load().reasons[reason].code, reason)


def last(messages: Iterable[Any]) -> Any:  # noqa: ANN401 - an element
    """The last message; None of none."""
    found = None
    for found in messages:  # noqa: B007 - the last one is wanted
        pass
    return found


CREATE_SESSION = Rpc(sessions.CreateSessionRequest, sessions.CreateSessionResponse)
GET_SESSION = Rpc(sessions.GetSessionRequest, sessions.GetSessionResponse)
LIST_SESSIONS = Rpc(sessions.ListSessionsRequest, sessions.ListSessionsResponse)
SET_SEARCH_PATHS = Rpc(sessions.SetSessionSearchPathsRequest, sessions.SetSessionSearchPathsResponse)
CLOSE_SESSION = Rpc(sessions.CloseSessionRequest, sessions.CloseSessionResponse)

LIST_CONFIGS = Rpc(configs.ListConfigsRequest, configs.ListConfigsResponse)
RESOLVE_CONFIG = Rpc(configs.ResolveConfigRequest, configs.ResolveConfigResponse)
VALIDATE_CONFIG = Rpc(configs.ValidateConfigRequest, configs.ValidateConfigResponse)
GET_PARAMETER_SCHEMA = Rpc(configs.GetParameterSchemaRequest, configs.GetParameterSchemaResponse)

LOAD_PIPELINE = Rpc(pipelines.LoadPipelineRequest, pipelines.LoadPipelineResponse)
LOAD_WEIGHTS = Rpc(pipelines.LoadPipelineWeightsRequest, pipelines.LoadPipelineWeightsResponse)
SAVE_PIPELINE = Rpc(pipelines.SavePipelineRequest, pipelines.SavePipelineResponse)
GET_INPUTS = Rpc(pipelines.GetPipelineInputsRequest, pipelines.GetPipelineInputsResponse)
GET_OUTPUTS = Rpc(pipelines.GetPipelineOutputsRequest, pipelines.GetPipelineOutputsResponse)
DRAW = Rpc(pipelines.GetPipelineVisualizationRequest, pipelines.GetPipelineVisualizationResponse)
DOWNLOAD_PIPELINE = Rpc(transfers.DownloadPipelineRequest, transfers.DownloadPipelineResponse)
UPLOAD_PIPELINE = Rpc(transfers.UploadPipelineRequest, transfers.UploadPipelineResponse)

UPLOAD_DATASET = Rpc(datasets.UploadDatasetRequest, datasets.UploadDatasetResponse)
LIST_DATASETS = Rpc(datasets.ListDatasetsRequest, datasets.ListDatasetsResponse)
GET_DATASET = Rpc(datasets.GetDatasetRequest, datasets.GetDatasetResponse)
DELETE_DATASET = Rpc(datasets.DeleteDatasetRequest, datasets.DeleteDatasetResponse)

SET_TRAINRUN = Rpc(trainruns.SetTrainRunConfigRequest, trainruns.SetTrainRunConfigResponse)
SAVE_TRAINRUN = Rpc(trainruns.SaveTrainRunRequest, trainruns.SaveTrainRunResponse)
RESTORE_TRAINRUN = Rpc(trainruns.RestoreTrainRunRequest, trainruns.RestoreTrainRunResponse)
TRAIN = Rpc(runs.TrainRequest, training.TrainResponse)
WATCH_TRAINING = Rpc(runs.WatchTrainingRequest, runs.WatchTrainingResponse)
GET_TRAIN_STATUS = Rpc(runs.GetTrainStatusRequest, runs.GetTrainStatusResponse)
STOP_TRAIN = Rpc(runs.StopTrainRequest, runs.StopTrainResponse)
EVALUATE = Rpc(runs.EvaluateRequest, runs.EvaluateResponse)

INFER = Rpc(inference.InferenceRequest, inference.InferenceResponse)
STREAM_INFERENCE = Rpc(inference.StreamInferenceRequest, inference.StreamInferenceResponse)
INFER_CHUNKED = Rpc(inference.InferenceChunkedRequest, inference.InferenceChunkedResponse)

GET_SERVER_INFO = Rpc(discovery.GetServerInfoRequest, discovery.GetServerInfoResponse)
LIST_PIPELINES = Rpc(discovery.ListAvailablePipelinesRequest, discovery.ListAvailablePipelinesResponse)
GET_PIPELINE_INFO = Rpc(discovery.GetPipelineInfoRequest, discovery.GetPipelineInfoResponse)
LIST_NODES = Rpc(discovery.ListAvailableNodesRequest, discovery.ListAvailableNodesResponse)
GET_TRAINING_CAPABILITIES = Rpc(discovery.GetTrainingCapabilitiesRequest, discovery.GetTrainingCapabilitiesResponse)

LOAD_PLUGIN = Rpc(plugins.LoadPluginRequest, plugins.LoadPluginResponse)
LIST_LOADED_PLUGINS = Rpc(plugins.ListLoadedPluginsRequest, plugins.ListLoadedPluginsResponse)
GET_PLUGIN_INFO = Rpc(plugins.GetPluginInfoRequest, plugins.GetPluginInfoResponse)
CLEAR_PLUGIN_CACHE = Rpc(plugins.ClearPluginCacheRequest, plugins.ClearPluginCacheResponse)

SET_PROFILING = Rpc(profiling.SetProfilingRequest, profiling.SetProfilingResponse)
GET_PROFILING = Rpc(profiling.GetProfilingSummaryRequest, profiling.GetProfilingSummaryResponse)

REGISTER = Rpc(registration_pb2.RegisterTrainingSessionRequest, registration_pb2.RegisterTrainingSessionResponse)
STREAM_TELEMETRY = Rpc(stream_pb2.StreamTelemetryRequest, stream_pb2.StreamTelemetryResponse)
LIST_RUNS = Rpc(run_request_pb2.ListRunsRequest, run_request_pb2.ListRunsResponse)
GET_RUN = Rpc(run_request_pb2.GetRunRequest, run_request_pb2.GetRunResponse)
WATCH_RUN = Rpc(watch_pb2.WatchRunRequest, watch_pb2.WatchRunResponse)
QUERY_METRICS = Rpc(metric_query_pb2.QueryMetricsRequest, metric_query_pb2.QueryMetricsResponse)
SEND_COMMAND = Rpc(command_request_pb2.SendCommandRequest, command_request_pb2.SendCommandResponse)
DELETE_RUN = Rpc(run_request_pb2.DeleteRunRequest, run_request_pb2.DeleteRunResponse)
