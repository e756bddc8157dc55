"""Client of Catenary: remote training and inference of pipelines."""

from catenary_client.async_client import AsyncClient
from catenary_client.client import Client, Session
from catenary_client.connection import InsecureTokenError, tls_credentials
from catenary_client.errors import (
    AlreadyExistsError,
    AuthenticationError,
    BusyError,
    CatenaryError,
    ConfigError,
    ConnectionFailedError,
    DataLossError,
    DeadlineError,
    InvalidRequestError,
    LimitExceededError,
    MessageTooLargeError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    RunFailedError,
    ServerFaultError,
    SessionNotFoundError,
    TensorError,
    UnavailableError,
    UnsupportedError,
)
from catenary_client.nodes import NodeParameter, NodePort, NodeType
from catenary_client.plugins import Plugin
from catenary_client.profiling import NodeTimes
from catenary_client.results import (
    ConfigCheck,
    DownloadedPipeline,
    InferenceOutputs,
    LoadedWeights,
    PortSpec,
    ResolvedConfig,
    RestoredTrainRun,
    SavedPipeline,
    SavedTrainRun,
    SearchPaths,
    StreamedInference,
    TrainProgress,
)
from catenary_client.retry import NO_RETRY, RetryPolicy
from catenary_client.run_results import CommandOutcome, MetricSeries, RunEvent, TelemetryRun
from catenary_client.sessions import AsyncSession
from catenary_client.training import Phase, Split
from catenary_client.uploads import UploadProgress

__all__ = [
    "NO_RETRY",
    "AlreadyExistsError",
    "AsyncClient",
    "AsyncSession",
    "AuthenticationError",
    "BusyError",
    "CatenaryError",
    "Client",
    "CommandOutcome",
    "ConfigCheck",
    "ConfigError",
    "ConnectionFailedError",
    "DataLossError",
    "DeadlineError",
    "DownloadedPipeline",
    "InferenceOutputs",
    "InsecureTokenError",
    "InvalidRequestError",
    "LimitExceededError",
    "LoadedWeights",
    "MessageTooLargeError",
    "MetricSeries",
    "NodeParameter",
    "NodePort",
    "NodeTimes",
    "NodeType",
    "NotFoundError",
    "PermissionDeniedError",
    "Phase",
    "Plugin",
    "PortSpec",
    "PreconditionError",
    "ResolvedConfig",
    "RestoredTrainRun",
    "RetryPolicy",
    "RunEvent",
    "RunFailedError",
    "SavedPipeline",
    "SavedTrainRun",
    "SearchPaths",
    "ServerFaultError",
    "Session",
    "SessionNotFoundError",
    "Split",
    "StreamedInference",
    "TelemetryRun",
    "TensorError",
    "TrainProgress",
    "UnavailableError",
    "UnsupportedError",
    "UploadProgress",
    "tls_credentials",
]
