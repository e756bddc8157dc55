"""The pipeline of a session: loaded, described, saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1 import pipeline_requests_pb2 as pipeline
from catenary.v1.pipeline_pb2 import PipelineConfig, PipelineMetadata
from catenary.v1.pipeline_service_pb2_grpc import PipelineServiceStub
from catenary_client.config_content import content_of
from catenary_client.results import LoadedWeights, PortSpec, SavedPipeline
from catenary_client.session_calls import SessionCalls

if TYPE_CHECKING:
    from catenary_client.config_content import Config


class PipelineCalls(SessionCalls):
    """The part of a session that deals with its pipeline."""

    async def load_pipeline(self, config: Config) -> PipelineMetadata:
        """Build a pipeline from its configuration and make it the session's.

        Raises:
            ConfigError: the configuration is refused; the pipeline of before stays.
            BusyError: the session trains.
        """
        response = await self._caller.unary(
            PipelineServiceStub(self._channel).LoadPipeline,
            pipeline.LoadPipelineRequest(
                session_id=self.session_id, pipeline=PipelineConfig(config_bytes=content_of(config))
            ),
        )
        return response.metadata

    async def load_weights(self, weights: str | bytes, *, strict: bool = True) -> LoadedWeights:
        """Load weights into the pipeline, all or nothing.

        Args:
            weights: path on the server, or the content of a safetensors file.
            strict: False leaves out weights that only one side names.

        Raises:
            NotFoundError: there is no such file.
            PreconditionError: the weights do not fit, or there is no pipeline.
        """
        request = pipeline.LoadPipelineWeightsRequest(session_id=self.session_id, strict=strict)
        if isinstance(weights, bytes):
            request.weights_bytes = weights
        else:
            request.weights_path = weights
        response = await self._caller.unary(PipelineServiceStub(self._channel).LoadPipelineWeights, request)
        return LoadedWeights(response.resolved_path, tuple(response.missing_names), tuple(response.unexpected_names))

    async def save_pipeline(
        self, path: str, *, metadata: PipelineMetadata | None = None, must_not_exist: bool = False
    ) -> SavedPipeline:
        """Write the pipeline and its weights to files of the server.

        Args:
            path: file to write, relative to the artifact root; the weights get the same name with `.safetensors`.
            metadata: replaces the fields of the present metadata that it sets.
            must_not_exist: refuse to replace a file.

        Raises:
            AlreadyExistsError: the file is there and must not be.
        """
        response = await self._caller.unary(
            PipelineServiceStub(self._channel).SavePipeline,
            pipeline.SavePipelineRequest(
                session_id=self.session_id, pipeline_path=path, metadata=metadata, must_not_exist=must_not_exist
            ),
        )
        return SavedPipeline(response.pipeline_path, response.weights_path)

    async def inputs(self) -> dict[str, PortSpec]:
        """What the pipeline takes, by name, in graph order."""
        response = await self._caller.unary(
            PipelineServiceStub(self._channel).GetPipelineInputs,
            pipeline.GetPipelineInputsRequest(session_id=self.session_id),
        )
        return {name: PortSpec.of(name, response.input_specs[name]) for name in response.input_names}

    async def outputs(self) -> dict[str, PortSpec]:
        """What the pipeline gives, by `node.port`, in graph order."""
        response = await self._caller.unary(
            PipelineServiceStub(self._channel).GetPipelineOutputs,
            pipeline.GetPipelineOutputsRequest(session_id=self.session_id),
        )
        return {name: PortSpec.of(name, response.output_specs[name]) for name in response.output_names}

    async def draw(self, drawing_format: str = "png") -> bytes:
        """A drawing of the pipeline.

        Args:
            drawing_format: `png`, `svg`, `dot` or `mermaid`; the last three are text.

        Raises:
            PreconditionError: the session has no pipeline.
        """
        response = await self._caller.unary(
            PipelineServiceStub(self._channel).GetPipelineVisualization,
            pipeline.GetPipelineVisualizationRequest(session_id=self.session_id, format=drawing_format),
        )
        return response.image_data
