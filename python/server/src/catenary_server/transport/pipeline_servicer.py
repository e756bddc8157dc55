"""PipelineService."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from catenary.v1 import pipeline_requests_pb2
from catenary_server.transport.codec.dataset import decode_chunks
from catenary_server.transport.codec.pipeline import (
    decode_drawing_format,
    decode_metadata,
    decode_strict,
    decode_weights_source,
    encode_inputs,
    encode_loaded_weights,
    encode_metadata,
    encode_outputs,
)
from catenary_server.transport.codec.pipeline_transfer import decode_upload, encode_part, encode_uploaded

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from catenary.v1 import pipeline_transfer_pb2
    from catenary_server.application.pipelines import Pipelines
    from catenary_server.application.sessions import Sessions
    from catenary_server.application.transfers import Transfers
    from catenary_server.application.visualization import Visualizations
    from catenary_server.transport.call import Call, Part


class PipelineServicer:
    """Loads, saves and describes the pipeline of a session."""

    service = "catenary.v1.PipelineService"

    def __init__(
        self, sessions: Sessions, pipelines: Pipelines, visualizations: Visualizations, transfers: Transfers
    ) -> None:
        self._sessions = sessions
        self._pipelines = pipelines
        self._visualizations = visualizations
        self._transfers = transfers

    async def load_pipeline(
        self, request: pipeline_requests_pb2.LoadPipelineRequest, call: Call
    ) -> pipeline_requests_pb2.LoadPipelineResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        metadata = await self._pipelines.load_bytes(session, request.pipeline.config_bytes)
        return pipeline_requests_pb2.LoadPipelineResponse(metadata=encode_metadata(metadata))

    async def load_pipeline_weights(
        self, request: pipeline_requests_pb2.LoadPipelineWeightsRequest, call: Call
    ) -> pipeline_requests_pb2.LoadPipelineWeightsResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        source = decode_weights_source(request, call.received)
        loaded = await self._pipelines.load_weights(session, source, strict=decode_strict(request))
        return encode_loaded_weights(loaded)

    async def save_pipeline(
        self, request: pipeline_requests_pb2.SavePipelineRequest, call: Call
    ) -> pipeline_requests_pb2.SavePipelineResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        saved = await self._pipelines.save(
            session, request.pipeline_path, decode_metadata(request), must_not_exist=request.must_not_exist
        )
        return pipeline_requests_pb2.SavePipelineResponse(
            pipeline_path=saved.pipeline_path, weights_path=saved.weights_path
        )

    async def get_pipeline_inputs(
        self, request: pipeline_requests_pb2.GetPipelineInputsRequest, call: Call
    ) -> pipeline_requests_pb2.GetPipelineInputsResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        return encode_inputs(self._pipelines.ports(session))

    async def get_pipeline_outputs(
        self, request: pipeline_requests_pb2.GetPipelineOutputsRequest, call: Call
    ) -> pipeline_requests_pb2.GetPipelineOutputsResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id)
        return encode_outputs(self._pipelines.ports(session))

    async def get_pipeline_visualization(
        self, request: pipeline_requests_pb2.GetPipelineVisualizationRequest, call: Call
    ) -> pipeline_requests_pb2.GetPipelineVisualizationResponse:
        """See the contract."""
        session = self._sessions.find(call.principal, request.session_id) if request.session_id else None
        drawing_format = decode_drawing_format(request.format)
        if session is None or request.config_content:
            content = request.config_content.encode()
            drawing = await self._visualizations.of_definition(content, drawing_format)
        else:
            drawing = await self._visualizations.of_session(session, drawing_format)
        return pipeline_requests_pb2.GetPipelineVisualizationResponse(image_data=drawing, format=drawing_format)

    async def download_pipeline(
        self, request: pipeline_transfer_pb2.DownloadPipelineRequest, call: Call
    ) -> AsyncGenerator[bytes, None]:
        """See the contract."""
        parts = self._transfers.download(call.principal, request.pipeline_path, definition_only=request.definition_only)
        async with contextlib.aclosing(parts):
            async for part in parts:
                yield encode_part(part)

    async def upload_pipeline(
        self, parts: AsyncIterator[Part], call: Call
    ) -> pipeline_transfer_pb2.UploadPipelineResponse:
        """See the contract."""
        upload = await decode_upload(parts)
        return encode_uploaded(await self._transfers.upload(call.principal, upload, decode_chunks(parts)))
