"""Configurations of a session: found, composed, and where they are looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1 import config_requests_pb2 as config
from catenary.v1 import session_requests_pb2 as session
from catenary.v1.config_service_pb2_grpc import ConfigServiceStub
from catenary.v1.session_service_pb2_grpc import SessionServiceStub
from catenary_client.results import ResolvedConfig, SearchPaths
from catenary_client.session_calls import SessionCalls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary.v1.config_pb2 import ConfigFile


class ConfigCalls(SessionCalls):
    """The part of a session that deals with configurations."""

    async def set_search_paths(self, paths: Sequence[str], *, append: bool = False) -> SearchPaths:
        """Search these directories of the server, instead of or after the present ones."""
        response = await self._caller.unary(
            SessionServiceStub(self._channel).SetSessionSearchPaths,
            session.SetSessionSearchPathsRequest(session_id=self.session_id, search_paths=paths, append=append),
        )
        return SearchPaths(tuple(response.current_paths), tuple(response.rejected_paths))

    async def configs(self, config_type: str = "") -> list[ConfigFile]:
        """The configuration files that can be resolved, of one group or of all."""
        found: list[ConfigFile] = []
        token = ""
        while True:
            page = await self._caller.unary(
                ConfigServiceStub(self._channel).ListConfigs,
                config.ListConfigsRequest(session_id=self.session_id, config_type=config_type, page_token=token),
            )
            found += page.configs
            token = page.next_page_token
            if not token:
                return found

    async def resolve(self, config_type: str, path: str, overrides: Sequence[str] = ()) -> ResolvedConfig:
        """Compose a configuration.

        Args:
            config_type: its group, for example `trainrun` or `pipeline`.
            path: its file, relative to a search path or to the artifact root; `.yaml` may be left out.
            overrides: changes as `key.path=value`, for example `training.optimizer.lr=0.0005`.

        Raises:
            NotFoundError: CONFIG_NOT_FOUND.
            ConfigError: file or overrides are refused; `violations` names the keys.
        """
        response = await self._caller.unary(
            ConfigServiceStub(self._channel).ResolveConfig,
            config.ResolveConfigRequest(
                session_id=self.session_id, config_type=config_type, path=path, overrides=overrides
            ),
        )
        return ResolvedConfig.of(config_type, response)
