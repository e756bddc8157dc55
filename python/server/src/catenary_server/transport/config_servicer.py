"""ConfigService."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from catenary.v1 import config_requests_pb2
from catenary_server.transport.codec.config import encode_config_file, encode_report, encode_resolved

if TYPE_CHECKING:
    from catenary_server.application.configs import Configs
    from catenary_server.application.sessions import Sessions
    from catenary_server.domain.config_source import ConfigFile
    from catenary_server.transport.call import Call
    from catenary_server.transport.pages import Pages

PAGE_SIZE = 100


class ConfigServicer:
    """Finds, composes and checks configurations."""

    service = "catenary.v1.ConfigService"

    def __init__(self, sessions: Sessions, configs: Configs, pages: Pages) -> None:
        self._sessions = sessions
        self._configs = configs
        self._pages = pages

    async def list_configs(
        self, request: config_requests_pb2.ListConfigsRequest, call: Call
    ) -> config_requests_pb2.ListConfigsResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        page, token = self._pages.cut(
            await self._configs.list(session, request.config_type),
            _place,
            size=request.page_size or PAGE_SIZE,
            token=request.page_token,
            selection=json.dumps([self.service, session.session_id, request.config_type]),
        )
        return config_requests_pb2.ListConfigsResponse(
            configs=[encode_config_file(file) for file in page], next_page_token=token
        )

    async def resolve_config(
        self, request: config_requests_pb2.ResolveConfigRequest, call: Call
    ) -> config_requests_pb2.ResolveConfigResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        resolved = await self._configs.resolve(session, request.config_type, request.path, tuple(request.overrides))
        return encode_resolved(resolved)

    async def validate_config(
        self, request: config_requests_pb2.ValidateConfigRequest, _call: Call
    ) -> config_requests_pb2.ValidateConfigResponse:
        """See the contract."""
        return encode_report(self._configs.validate(request.config_type, request.config_bytes))

    async def get_parameter_schema(
        self, request: config_requests_pb2.GetParameterSchemaRequest, _call: Call
    ) -> config_requests_pb2.GetParameterSchemaResponse:
        """See the contract."""
        schema = self._configs.schema(request.config_type)
        return config_requests_pb2.GetParameterSchemaResponse(json_schema=schema)


def _place(file: ConfigFile) -> str:
    return f"{file.config_type}\0{file.name}"
