"""Configurations as a session sees them: its search paths, then its own saved files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary_server.application.session import Session
    from catenary_server.domain.config_source import ConfigFile, ConfigReport, ConfigSource, ResolvedConfig


class Configs:
    """Resolves, lists, checks and describes configurations."""

    def __init__(self, source: ConfigSource) -> None:
        self._source = source

    async def resolve(self, session: Session, config_type: str, path: str, overrides: Sequence[str]) -> ResolvedConfig:
        """Compose a configuration; a pipeline or trainrun that was just saved resolves too.

        Raises:
            Failure: as `ConfigSource.resolve`.
        """
        search_paths = (*session.search_paths, session.area.locate("."))
        return await self._source.resolve(config_type, path, overrides, search_paths)

    async def list(self, session: Session, config_type: str) -> tuple[ConfigFile, ...]:
        """What the session can resolve."""
        return await self._source.list(config_type, session.search_paths)

    def schema(self, config_type: str) -> str:
        """JSON Schema 2020-12 of a config type; CONFIG_NOT_FOUND for an unknown one."""
        return self._source.schema(config_type)

    def validate(self, config_type: str, content: bytes) -> ConfigReport:
        """Every fault of a configuration, each with its key path."""
        return self._source.validate(config_type, content)
