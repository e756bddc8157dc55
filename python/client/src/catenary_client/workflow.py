"""The steps of remote training and inference on plain stubs: connect, resolve, apply, follow.

For programs that are written against the stubs, as those of CUVIS.AI are; `catenary_client.Client` is the typed way.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from catenary.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceStub
from catenary.v1.config_requests_pb2 import ResolveConfigRequest, ResolveConfigResponse
from catenary.v1.config_service_pb2_grpc import ConfigServiceStub
from catenary.v1.dataset_service_pb2_grpc import DatasetServiceStub
from catenary.v1.discovery_service_pb2_grpc import DiscoveryServiceStub
from catenary.v1.inference_service_pb2_grpc import InferenceServiceStub
from catenary.v1.pipeline_service_pb2_grpc import PipelineServiceStub
from catenary.v1.plugin_service_pb2_grpc import PluginServiceStub
from catenary.v1.profiling_service_pb2_grpc import ProfilingServiceStub
from catenary.v1.session_requests_pb2 import CreateSessionRequest, SetSessionSearchPathsRequest
from catenary.v1.session_service_pb2_grpc import SessionServiceStub
from catenary.v1.train_run_config_pb2 import SetTrainRunConfigRequest, SetTrainRunConfigResponse, TrainRunConfig
from catenary.v1.training_service_pb2_grpc import TrainingServiceStub
from catenary_client.connection import DEFAULT_ADDRESS, channel_options
from catenary_client.errors import ConnectionFailedError, error_for
from catenary_client.results import TrainProgress
from catenary_wire.errors import failure_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catenary.v1.training_pb2 import TrainResponse

DEFAULT_MAX_MSG_SIZE = 300 * 1024 * 1024
CONFIGS_ENVIRONMENT = "CATENARY_CONFIGS"
"""Environment variable that names the directory of configurations."""
CONFIG_GROUPS = ("trainrun", "pipeline", "data", "training")
EXIT_REFUSED = 1
EXIT_NO_CONNECTION = 3


class CatenaryStub(
    SessionServiceStub,
    ConfigServiceStub,
    PipelineServiceStub,
    DatasetServiceStub,
    TrainingServiceStub,
    InferenceServiceStub,
    DiscoveryServiceStub,
    PluginServiceStub,
    ProfilingServiceStub,
    TelemetryServiceStub,
):
    """Every RPC of every service, as one stub.

    Args:
        channel: connection to the server.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        for service in CatenaryStub.__bases__:
            # Each sets its own RPCs on the object; they call no `super().__init__`.
            service.__init__(self, channel)  # type: ignore[misc]  # exactly the classes named above


def build_stub(server_address: str = DEFAULT_ADDRESS, max_msg_size: int = DEFAULT_MAX_MSG_SIZE) -> CatenaryStub:
    """Connect to a server.

    Args:
        server_address: `host:port`.
        max_msg_size: largest message to send or take, in bytes.
    """
    return CatenaryStub(grpc.insecure_channel(server_address, options=channel_options(max_msg_size)))


def config_search_paths(extra_paths: Sequence[str] | None = None) -> list[str]:
    """Directories to search for configurations: extra ones first, then `configs` and its groups.

    `configs` is what CATENARY_CONFIGS names, else the first of that name in the working directory or one above it, else
    the one of the repository that this package is installed from. The server searches those that lie in its own roots;
    with none of them, it searches its roots.
    """
    paths = [str(Path(path).resolve()) for path in extra_paths or ()]
    configs = _configs_directory()
    if configs is not None:
        paths += [str(configs), *(str(configs / group) for group in CONFIG_GROUPS if (configs / group).is_dir())]
    return paths


def create_session_with_search_paths(stub: CatenaryStub, search_paths: list[str] | None = None) -> str:
    """Make a session that searches these directories, or those of `config_search_paths`; returns its id."""
    session_id = stub.CreateSession(CreateSessionRequest()).session_id
    stub.SetSessionSearchPaths(
        SetSessionSearchPathsRequest(
            session_id=session_id,
            search_paths=search_paths or config_search_paths(),
            append=False,
        )
    )
    return session_id


def resolve_trainrun_config(
    stub: CatenaryStub, session_id: str, name: str, overrides: list[str] | None = None
) -> tuple[ResolveConfigResponse, dict[str, Any]]:
    """Compose a train run configuration; returns the answer, and its content as nested dictionaries.

    Args:
        stub: the server.
        session_id: the session whose search paths count.
        name: file below `trainrun/`, or an absolute path inside the server's roots.
        overrides: changes as `key.path=value`.
    """
    response = stub.ResolveConfig(
        ResolveConfigRequest(
            session_id=session_id,
            config_type="trainrun",
            path=name if Path(name).is_absolute() else f"trainrun/{name}",
            overrides=overrides or [],
        )
    )
    return response, json.loads(response.config_bytes)


def apply_trainrun_config(stub: CatenaryStub, session_id: str, config_bytes: bytes) -> SetTrainRunConfigResponse:
    """Set a resolved configuration as what the session trains by."""
    return stub.SetTrainRunConfig(
        SetTrainRunConfigRequest(session_id=session_id, config=TrainRunConfig(config_bytes=config_bytes))
    )


def format_progress(progress: TrainResponse) -> str:
    """One event of a run as one line: `[TRAIN] IN_PROGRESS | losses={...} | metrics={...} | message=...`."""
    return str(TrainProgress.of(progress))


@contextlib.contextmanager
def failures_explained() -> Iterator[None]:
    """Leave the program with a message in place of a traceback when a call fails: status 1, or 3 without a server."""
    try:
        yield
    except grpc.RpcError as error:
        explained = error_for(failure_of(error))
        print(f"error: {explained}", file=sys.stderr)  # noqa: T201 - for whoever runs the program
        if isinstance(explained, ConnectionFailedError):
            print("Is a server running? `catenary serve` starts one.", file=sys.stderr)  # noqa: T201 - the same
            raise SystemExit(EXIT_NO_CONNECTION) from error
        raise SystemExit(EXIT_REFUSED) from error


def _configs_directory() -> Path | None:
    named = os.environ.get(CONFIGS_ENVIRONMENT)
    if named:
        return Path(named).resolve()
    here, package = Path.cwd(), Path(__file__).resolve()
    for directory in (here, *here.parents, *package.parents):
        if (directory / "configs" / "trainrun").is_dir():
            return directory / "configs"
    return None
