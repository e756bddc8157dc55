"""The client for asyncio: what does not belong to a session, and the making of sessions."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, Self, cast

from google.protobuf.duration_pb2 import Duration

from catenary.v1 import config_requests_pb2 as config
from catenary.v1 import session_requests_pb2 as session
from catenary.v1 import train_run_config_pb2 as trainrun
from catenary.v1.config_service_pb2_grpc import ConfigServiceStub
from catenary.v1.discovery_service_pb2 import GetServerInfoRequest, GetServerInfoResponse
from catenary.v1.discovery_service_pb2_grpc import DiscoveryServiceStub
from catenary.v1.plugin_service_pb2 import ClearPluginCacheRequest
from catenary.v1.plugin_service_pb2_grpc import PluginServiceStub
from catenary.v1.session_service_pb2_grpc import SessionServiceStub
from catenary.v1.training_service_pb2_grpc import TrainingServiceStub
from catenary_client.calls import Caller
from catenary_client.config_content import content_of
from catenary_client.connection import (
    DEFAULT_ADDRESS,
    DEFAULT_MAX_MESSAGE_BYTES,
    check_token,
    open_channel,
    open_thread_channel,
)
from catenary_client.datasets import DatasetCalls
from catenary_client.errors import UnsupportedError
from catenary_client.nodes import list_nodes
from catenary_client.pipeline_files import PipelineFileCalls
from catenary_client.results import ConfigCheck
from catenary_client.retry import RetryPolicy
from catenary_client.runs import RunCalls
from catenary_client.sessions import AsyncSession
from catenary_client.shared_memory import SharedMemory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    import grpc

    from catenary.v1.session_pb2 import Session as SessionMessage
    from catenary_client.config_content import Config
    from catenary_client.nodes import NodeType

DEFAULT_TIMEOUT_SECONDS = 120.0
"""For one call with all its attempts; loading a pipeline may start a process."""


class AsyncClient(DatasetCalls, PipelineFileCalls, RunCalls):
    """A connection to a server, for asyncio. Connects with the first call.

    Args:
        address: `host:port`.
        credentials: for an encrypted connection, as `tls_credentials` makes them; None is not encrypted.
        token: sent with every call when it is not empty.
        server_name: name to expect in the server's certificate, where it is not the host of the address.
        plaintext_token: send the token also over a network that is not encrypted.
        timeout: seconds for a call with all its attempts; None waits for ever. Training streams have no deadline.
        retry: when to send a call again; `NO_RETRY` never does.
        max_message_bytes: largest message to send or take.

    Raises:
        InsecureTokenError: the token would leave this machine unencrypted.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        token: str = "",
        timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
        retry: RetryPolicy | None = None,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
        server_name: str = "",
        plaintext_token: bool = False,
    ) -> None:
        encrypted = credentials is not None
        check_token(address, token, encrypted=encrypted, plaintext=plaintext_token)
        self.address = address
        self._channel = open_channel(
            address, credentials=credentials, max_message_bytes=max_message_bytes, server_name=server_name
        )
        self._open_stream_channel = functools.partial(
            open_thread_channel,
            address,
            credentials=credentials,
            max_message_bytes=max_message_bytes,
            server_name=server_name,
        )
        self._caller = Caller(
            address=address, policy=retry or RetryPolicy(), timeout=timeout, token=token, encrypted=encrypted
        )

    async def server_info(self) -> GetServerInfoResponse:
        """What the server is, claims, and has room for."""
        return await self._caller.unary(DiscoveryServiceStub(self._channel).GetServerInfo, GetServerInfoRequest())

    async def create_session(
        self,
        *,
        search_paths: Sequence[str] | None = None,
        idle_timeout: float | None = None,
        labels: Mapping[str, str] | None = None,
        device: str = "",
        shared_memory: int = 0,
    ) -> AsyncSession:
        """Make a session.

        Args:
            search_paths: directories of the server to search for configurations; None means the server's own.
            idle_timeout: seconds without a call after which the server closes it; None means the server's default.
            labels: words to find it by in `sessions`.
            device: `cpu`, `cuda` or `cuda:<index>`; empty lets the server choose.
            shared_memory: bytes of memory shared with the server, for a client on its Unix socket; `infer` puts inputs
                there while they fit.

        Raises:
            LimitExceededError: the server holds as many sessions as it may, or has no room for the memory.
            UnsupportedError: the server shares no memory with this client.
        """
        request = session.CreateSessionRequest(labels=labels, device=device, shared_memory_size_bytes=shared_memory)
        if idle_timeout is not None:
            lifetime = Duration()
            lifetime.FromNanoseconds(round(idle_timeout * 1e9))
            request.idle_timeout.CopyFrom(lifetime)
        response = await self._caller.unary(SessionServiceStub(self._channel).CreateSession, request)
        created = self.attach(response.session_id)
        if shared_memory:
            try:
                memory = SharedMemory.of(response.session.shared_memory)
            except UnsupportedError:
                await created.close()
                raise
            created = AsyncSession(response.session_id, self._channel, self._caller, memory)
        if search_paths is not None:
            await created.set_search_paths(search_paths)
        return created

    def attach(self, session_id: str) -> AsyncSession:
        """The session of this id, which somebody made before; asks the server nothing."""
        return AsyncSession(session_id, self._channel, self._caller)

    async def sessions(self, labels: Mapping[str, str] | None = None) -> list[SessionMessage]:
        """The caller's sessions that carry these labels, oldest first."""
        found: list[SessionMessage] = []
        token = ""
        while True:
            page = await self._caller.unary(
                SessionServiceStub(self._channel).ListSessions,
                session.ListSessionsRequest(page_token=token, labels=labels),
            )
            found += page.sessions
            token = page.next_page_token
            if not token:
                return found

    async def restore(self, path: str, *, weights_path: str = "", strict: bool = True) -> AsyncSession:
        """Rebuild a saved train run in a session of its own; ask `train_status` and `outputs` of it for more.

        Args:
            path: the saved train run.
            weights_path: weights to load instead of those it refers to.
            strict: refuse weights that do not fit the pipeline exactly.

        Raises:
            NotFoundError: a file is not there.
        """
        response = await self._caller.unary(
            TrainingServiceStub(self._channel).RestoreTrainRun,
            trainrun.RestoreTrainRunRequest(trainrun_path=path, weights_path=weights_path or None, strict=strict),
        )
        return self.attach(response.session_id)

    async def validate_config(self, config_type: str, content: Config) -> ConfigCheck:
        """What is wrong with a configuration; a faulty one is an answer and no failure."""
        response = await self._caller.unary(
            ConfigServiceStub(self._channel).ValidateConfig,
            config.ValidateConfigRequest(config_type=config_type, config_bytes=content_of(content)),
        )
        return ConfigCheck(response.valid, tuple(response.errors), tuple(response.warnings))

    async def config_schema(self, config_type: str) -> dict[str, Any]:
        """The JSON Schema (draft 2020-12) of a group of configurations."""
        response = await self._caller.unary(
            ConfigServiceStub(self._channel).GetParameterSchema,
            config.GetParameterSchemaRequest(config_type=config_type),
        )
        return cast("dict[str, Any]", json.loads(response.json_schema))

    async def nodes(self) -> list[NodeType]:
        """Built-in node types of the server, sorted by class name; a session's `nodes` has those of its plugins too."""
        return await list_nodes(self._channel, self._caller, "")

    async def clear_plugin_cache(self, name: str = "") -> int:
        """Make the server look anew at a plugin that is installed, or at all; returns how many it had looked at."""
        response = await self._caller.unary(
            PluginServiceStub(self._channel).ClearPluginCache, ClearPluginCacheRequest(plugin_name=name)
        )
        return response.cleared_count

    async def close(self) -> None:
        """Close the connection. Sessions stay, until they are closed or expire."""
        await self._channel.close(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
