"""A real gRPC server with the services of the contract, whose answers a test writes down beforehand."""

from __future__ import annotations

import asyncio
import collections
import json
import re
import threading
from typing import TYPE_CHECKING, Any, Self, TypeAlias, cast

import grpc
from google.protobuf.message_factory import GetMessageClass
from scripted_nodes import NodeAnswers

from catenary.v1 import (
    config_requests_pb2 as config,
)
from catenary.v1 import (
    discovery_service_pb2 as discovery,
)
from catenary.v1 import (
    inference_requests_pb2 as inference,
)
from catenary.v1 import (
    pipeline_requests_pb2 as pipeline,
)
from catenary.v1 import (
    profiling_service_pb2 as profiling,
)
from catenary.v1 import (
    session_pb2,
    tensor_pb2,
)
from catenary.v1 import (
    session_requests_pb2 as session,
)
from catenary.v1 import (
    train_run_config_pb2 as trainrun,
)
from catenary.v1 import (
    training_requests_pb2 as training,
)
from catenary.v1.config_pb2 import ConfigFile
from catenary.v1.error_pb2 import ERROR_REASON_NON_FINITE_LOSS, ERROR_REASON_TRAIN_CANCELLED, Failure
from catenary.v1.execution_stage_pb2 import EXECUTION_STAGE_TRAIN, EXECUTION_STAGE_VALIDATE
from catenary.v1.profiling_pb2 import NodeProfilingStats
from catenary.v1.training_pb2 import (
    TRAIN_STATUS_CANCELLED,
    TRAIN_STATUS_COMPLETED,
    TRAIN_STATUS_FAILED,
    TRAIN_STATUS_IN_PROGRESS,
    Context,
    TrainResponse,
    TrainStatus,
)
from catenary_wire import names
from catenary_wire.errors import status_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType

    from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
    from google.protobuf.message import Message

CallContext: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")

TRAINRUN = {
    "name": "scripted",
    "pipeline": {"metadata": {"name": "scripted pipeline"}, "nodes": [{"name": "input"}], "connections": []},
    "data": {"batch_size": 4},
    "loss_nodes": ["loss"],
}
PORTS = {
    "cube": tensor_pb2.TensorSpec(name="cube", shape=[-1, -1, -1, 3], dtype=tensor_pb2.D_TYPE_FLOAT32, required=True)
}

LOST = "LOST"
"""In place of a reason: the call ends as if the connection had broken."""
HANG = "HANG"
"""In place of a reason: the call is never answered."""


def event(sequence: int, status: TrainStatus.ValueType = TRAIN_STATUS_IN_PROGRESS, **fields: Any) -> TrainResponse:
    """One event of the scripted run."""
    return TrainResponse(
        context=Context(stage=EXECUTION_STAGE_TRAIN, epoch=sequence),
        status=status,
        sequence=sequence,
        run_id="run-1",
        epochs_done=sequence,
        epochs_total=4,
        **fields,
    )


def complete_run() -> list[TrainResponse]:
    """A run that reaches its end."""
    return [
        event(1, message="Initializing node"),
        event(2, losses={"svdd_loss": 0.5}, metrics={"iou": 0.25}),
        event(3, losses={"svdd_loss": 0.25}),
        event(4, TRAIN_STATUS_COMPLETED, message="Training complete (4 epochs)"),
    ]


def failed_run() -> list[TrainResponse]:
    """A run that breaks off."""
    failure = Failure(reason=ERROR_REASON_NON_FINITE_LOSS, message="lower the learning rate")
    return [event(1), event(2, TRAIN_STATUS_FAILED, failure=failure)]


def cancelled_run() -> list[TrainResponse]:
    """A run that was stopped."""
    return [event(1), event(2, TRAIN_STATUS_CANCELLED, failure=Failure(reason=ERROR_REASON_TRAIN_CANCELLED))]


class ScriptedServer:
    """A server on a free loopback port, with a loop in a thread of its own.

    RPCs that `Answers` lacks are unknown to it, as on a server that is older than its client.
    """

    def __init__(self) -> None:
        self.address = ""
        self.requests: dict[str, list[Any]] = collections.defaultdict(list)
        """What came, by RPC."""
        self.metadata: list[dict[str, str | bytes]] = []
        self.sessions: set[str] = set()
        self.run = complete_run()
        """Events of the run that Train and WatchTraining show."""
        self.lose_train_after: int | None = None
        """Number of events after which the stream of Train breaks."""
        self.hold_run_at: int | None = None
        """Number of events after which the run waits until it is stopped."""
        self.stopped = asyncio.Event()
        self._failures: dict[str, collections.deque[tuple[str, dict[str, Any]]]] = collections.defaultdict(
            collections.deque
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: grpc.aio.Server | None = None

    def fail_next(self, rpc: str, *reasons: str, **details: object) -> None:
        """Let the next calls of an RPC fail, one with each reason; `details` are those of `status_of`."""
        self._failures[rpc].extend((reason, details) for reason in reasons)

    def names(self) -> list[str]:
        """The RPCs that were called, each as often as it was."""
        return [name for name, requests in self.requests.items() for _ in requests]

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(20)
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers([self._handlers(service) for service in names.services()])
        self.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        self._server = server
        await server.start()

    async def _end(self) -> None:
        if self._server is not None:
            await self._server.stop(None)

    def _handlers(self, service: ServiceDescriptor) -> grpc.GenericRpcHandler[Any, Any]:
        answers = Answers(self)
        found = {}
        for method in service.methods:
            answer = getattr(answers, _WORD_START.sub("_", method.name).lower(), None)
            if answer is not None:
                found[method.name] = self._handler(method, answer)
        return grpc.method_handlers_generic_handler(service.full_name, found)

    def _handler(self, method: MethodDescriptor, answer: Callable[[Any], Any]) -> grpc.RpcMethodHandler[Any, Any]:
        async def unary(request: Message, context: CallContext) -> Message:
            await self._admit(method.name, request, context)
            return cast("Message", answer(request))

        async def stream(request: Message, context: CallContext) -> AsyncIterator[Message]:
            await self._admit(method.name, request, context)
            sent = 0
            async for message in answer(request):
                if method.name == "Train" and sent == self.lose_train_after:
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "connection reset")
                yield message
                sent += 1

        read = GetMessageClass(method.input_type).FromString
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(stream, read, _serialized)
        return grpc.unary_unary_rpc_method_handler(unary, read, _serialized)

    async def _admit(self, rpc: str, request: Message, context: CallContext) -> None:
        """Note a call, and let it fail if that was asked for."""
        self.requests[rpc].append(request)
        self.metadata.append(dict(context.invocation_metadata() or ()))
        if not self._failures[rpc]:
            return
        reason, details = self._failures[rpc].popleft()
        if reason == HANG:
            await asyncio.Event().wait()
        if reason == LOST:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "connection reset")
        status = status_of(reason, "as scripted", **details)
        await context.abort(status.code, status.details, status.trailing_metadata)

    async def play(self, after: int) -> AsyncIterator[TrainResponse]:
        """Events of the run behind a sequence number."""
        for number, one in enumerate(self.run):
            if number == self.hold_run_at:
                await self.stopped.wait()
                yield cancelled_run()[-1]
                return
            if one.sequence > after:
                yield one


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


class Answers(NodeAnswers):
    """What the server answers to each RPC."""

    def __init__(self, server: ScriptedServer) -> None:
        self._server = server

    def create_session(self, _request: session.CreateSessionRequest) -> session.CreateSessionResponse:
        name = f"session-{len(self._server.sessions) + 1}"
        self._server.sessions.add(name)
        return session.CreateSessionResponse(session_id=name)

    def get_session(self, request: session.GetSessionRequest) -> session.GetSessionResponse:
        found = session_pb2.Session(session_id=request.session_id, state=session_pb2.SESSION_STATE_READY)
        return session.GetSessionResponse(session=found)

    def list_sessions(self, request: session.ListSessionsRequest) -> session.ListSessionsResponse:
        """Two on a page."""
        known = sorted(self._server.sessions)
        page = [name for name in known if name > request.page_token][:2]
        more = page[-1] if page and page[-1] != known[-1] else ""
        found = [session_pb2.Session(session_id=name) for name in page]
        return session.ListSessionsResponse(sessions=found, next_page_token=more)

    def set_session_search_paths(
        self, request: session.SetSessionSearchPathsRequest
    ) -> session.SetSessionSearchPathsResponse:
        """Accepts the first, rejects the others."""
        first, others = request.search_paths[:1], request.search_paths[1:]
        return session.SetSessionSearchPathsResponse(current_paths=first, rejected_paths=others)

    def close_session(self, request: session.CloseSessionRequest) -> session.CloseSessionResponse:
        self._server.sessions.discard(request.session_id)
        return session.CloseSessionResponse()

    def list_configs(self, _request: config.ListConfigsRequest) -> config.ListConfigsResponse:
        """A name that terminals could mistake for markup."""
        file = ConfigFile(config_type="trainrun", path="trainrun/[rx].yaml", search_path="configs")
        return config.ListConfigsResponse(configs=[file])

    def resolve_config(self, request: config.ResolveConfigRequest) -> config.ResolveConfigResponse:
        content = TRAINRUN if request.config_type == "trainrun" else TRAINRUN["pipeline"]
        files = [ConfigFile(path=request.path)]
        return config.ResolveConfigResponse(config_bytes=json.dumps(content).encode(), source_files=files)

    def validate_config(self, request: config.ValidateConfigRequest) -> config.ValidateConfigResponse:
        try:
            json.loads(request.config_bytes)
        except ValueError:
            return config.ValidateConfigResponse(errors=[": is no JSON"])
        return config.ValidateConfigResponse(valid=True)

    def get_parameter_schema(self, _request: config.GetParameterSchemaRequest) -> config.GetParameterSchemaResponse:
        return config.GetParameterSchemaResponse(json_schema='{"type": "object"}')

    def load_pipeline(self, _request: pipeline.LoadPipelineRequest) -> pipeline.LoadPipelineResponse:
        return pipeline.LoadPipelineResponse()

    def load_pipeline_weights(
        self, request: pipeline.LoadPipelineWeightsRequest
    ) -> pipeline.LoadPipelineWeightsResponse:
        return pipeline.LoadPipelineWeightsResponse(resolved_path=request.weights_path or "(client-bytes)")

    def save_pipeline(self, request: pipeline.SavePipelineRequest) -> pipeline.SavePipelineResponse:
        stem = request.pipeline_path.removesuffix(".yaml")
        return pipeline.SavePipelineResponse(pipeline_path=f"{stem}.yaml", weights_path=f"{stem}.safetensors")

    def get_pipeline_inputs(self, _request: pipeline.GetPipelineInputsRequest) -> pipeline.GetPipelineInputsResponse:
        return pipeline.GetPipelineInputsResponse(input_names=list(PORTS), input_specs=PORTS)

    def get_pipeline_outputs(self, _request: pipeline.GetPipelineOutputsRequest) -> pipeline.GetPipelineOutputsResponse:
        return pipeline.GetPipelineOutputsResponse(output_names=list(PORTS), output_specs=PORTS)

    def set_train_run_config(self, _request: trainrun.SetTrainRunConfigRequest) -> trainrun.SetTrainRunConfigResponse:
        return trainrun.SetTrainRunConfigResponse(pipeline_from_config=True)

    def train(self, _request: training.TrainRequest) -> AsyncIterator[TrainResponse]:
        return self._server.play(0)

    async def watch_training(
        self, request: training.WatchTrainingRequest
    ) -> AsyncIterator[training.WatchTrainingResponse]:
        yield training.WatchTrainingResponse(snapshot=self._server.run[-1])
        async for one in self._server.play(request.after_sequence):
            yield training.WatchTrainingResponse(progress=one)

    def get_train_status(self, _request: training.GetTrainStatusRequest) -> training.GetTrainStatusResponse:
        run = self._server.run
        return training.GetTrainStatusResponse(latest_progress=run[-1] if run else None)

    def set_profiling(self, request: profiling.SetProfilingRequest) -> profiling.SetProfilingResponse:
        return profiling.SetProfilingResponse(profiling_enabled=request.enabled)

    def get_profiling_summary(
        self, _request: profiling.GetProfilingSummaryRequest
    ) -> profiling.GetProfilingSummaryResponse:
        times = NodeProfilingStats(
            node_name="rx", stage=EXECUTION_STAGE_TRAIN, count=4, mean_ms=1.5, median_ms=1.5, total_ms=6.0, last_ms=2.0
        )
        return profiling.GetProfilingSummaryResponse(node_stats=[times])

    def stop_train(self, _request: training.StopTrainRequest) -> training.StopTrainResponse:
        self._server.stopped.set()
        return training.StopTrainResponse(accepted=True)

    async def evaluate(self, _request: training.EvaluateRequest) -> AsyncIterator[training.EvaluateResponse]:
        place = Context(stage=EXECUTION_STAGE_VALIDATE)
        yield training.EvaluateResponse(progress=TrainResponse(context=place, status=TRAIN_STATUS_IN_PROGRESS))
        done = TrainResponse(context=place, status=TRAIN_STATUS_COMPLETED, metrics={"val_iou": 0.75})
        yield training.EvaluateResponse(progress=done)

    def save_train_run(self, request: trainrun.SaveTrainRunRequest) -> trainrun.SaveTrainRunResponse:
        return trainrun.SaveTrainRunResponse(trainrun_path=request.trainrun_path)

    def restore_train_run(self, request: trainrun.RestoreTrainRunRequest) -> trainrun.RestoreTrainRunResponse:
        return trainrun.RestoreTrainRunResponse(
            session_id=request.session_id or "restored",
            trainrun=trainrun.TrainRunConfig(config_bytes=json.dumps(TRAINRUN).encode()),
            weights_restored=True,
            resolved_weights_path="weights.safetensors",
        )

    def inference(self, request: inference.InferenceRequest) -> inference.InferenceResponse:
        """Every input comes back as an output."""
        response = inference.InferenceResponse(metrics={"node.count": 3.0})
        for field, value in request.inputs.ListFields():
            if field.message_type is tensor_pb2.Tensor.DESCRIPTOR:
                response.outputs[f"node.{field.name}"].CopyFrom(value)
        for name, value in request.inputs.extra_inputs.items():
            response.outputs[f"node.{name}"].CopyFrom(value)
        return response

    def get_server_info(self, _request: discovery.GetServerInfoRequest) -> discovery.GetServerInfoResponse:
        return discovery.GetServerInfoResponse(server_name="scripted", server_version="1.2.3")
