"""What the cases of pipelines share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary.v1.inference_requests_pb2 import InferenceRequest
from catenary.v1.pipeline_pb2 import PipelineConfig
from catenary.v1.pipeline_requests_pb2 import LoadPipelineRequest
from catenary_conformance import rpcs
from catenary_conformance.presuming import presuming
from catenary_conformance.workload import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary.v1.inference_pb2 import InputBatch
    from catenary.v1.tensor_pb2 import Tensor
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Json, Workload


class Pipelines:
    """Loads pipelines and asks what they give."""

    def __init__(self, target: Target, workload: Workload) -> None:
        self._target = target
        self._workload = workload

    def load_request(self, session_id: str, definition: Json | None = None) -> LoadPipelineRequest:
        """A request to load a definition; without one, that of the trained pipeline."""
        content = canonical(self._workload.pipeline if definition is None else definition)
        return LoadPipelineRequest(session_id=session_id, pipeline=PipelineConfig(config_bytes=content))

    def load(self, session_id: str, definition: Json | None = None) -> None:
        """Load it."""
        rpcs.LOAD_PIPELINE.ok(self._target, self.load_request(session_id, definition))

    def outputs(self, session_id: str, inputs: InputBatch) -> Mapping[str, Tensor]:
        """What the pipeline of a session gives for inputs that fit it."""
        answer = rpcs.INFER.answer(self._target, InferenceRequest(session_id=session_id, inputs=inputs))
        with presuming("CAT-PIP-010" if answer.reason == "STATE_INVALID" else "CAT-PIP-015"):
            outputs: Mapping[str, Tensor] = answer.expect_ok().outputs
        return outputs


@pytest.fixture
def pipelines(target: Target, workload: Workload) -> Pipelines:
    """Loads pipelines."""
    return Pipelines(target, workload)
