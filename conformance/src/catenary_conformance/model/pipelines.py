"""The pipeline of a session as the contract says it behaves, and the machine that holds a target against that."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from catenary.v1.inference_requests_pb2 import InferenceRequest
from catenary.v1.pipeline_pb2 import PipelineConfig
from catenary.v1.pipeline_requests_pb2 import (
    GetPipelineInputsRequest,
    GetPipelineOutputsRequest,
    LoadPipelineRequest,
    LoadPipelineWeightsRequest,
    SavePipelineRequest,
)
from catenary.v1.session_pb2 import SESSION_STATE_IDLE, SESSION_STATE_READY
from catenary.v1.session_requests_pb2 import CloseSessionRequest, GetSessionRequest
from catenary_conformance import rpcs
from catenary_conformance.graphs import node
from catenary_conformance.workload import FOLDER, Json, canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary.v1.inference_pb2 import InputBatch
    from catenary.v1.tensor_pb2 import Tensor
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload


class Weights(enum.Enum):
    """What the weights of a pipeline are."""

    FRESH = "as the load made them"
    TRAINED = "as they were trained"


@dataclasses.dataclass(slots=True)
class PipelineModel:
    """What a session has loaded; `weights` is None while it has no pipeline."""

    weights: Weights | None = None

    @property
    def loaded(self) -> bool:
        """Whether there is a pipeline."""
        return self.weights is not None


@dataclasses.dataclass(frozen=True, slots=True)
class Expected:
    """What the trained pipeline gives."""

    inputs: InputBatch
    outputs: Mapping[str, Tensor]


class PipelinesMachine(RuleBasedStateMachine):
    """Loads, refuses, saves and infers in one session.

    Args:
        target: the server.
        workload: what is loaded.
        expected: what it gives once it is trained.
    """

    def __init__(self, target: Target, workload: Workload, expected: Expected) -> None:
        super().__init__()
        target.begin_example()
        self._target, self._workload, self._expected = target, workload, expected
        self._session_id = workload.open_session()
        self._model = PipelineModel()

    @rule()
    def load(self) -> None:
        """Loading builds the pipeline anew."""
        rpcs.LOAD_PIPELINE.ok(self._target, self._definition(self._workload.pipeline))
        self._model.weights = Weights.FRESH

    @rule(known=st.booleans())
    def refuse(self, known: bool) -> None:  # noqa: FBT001 - drawn
        """A load that is refused changes nothing."""
        nodes = [] if known else [node("a", "NoSuchNodeAnywhere")]
        reason = "CONFIG_INVALID" if known else "NODE_TYPE_UNKNOWN"
        rpcs.LOAD_PIPELINE.refused(self._target, self._definition({"nodes": nodes}), reason=reason)

    @rule(missing=st.booleans())
    def load_weights(self, missing: bool) -> None:  # noqa: FBT001 - drawn
        """Weights load into a pipeline; those that are not there change nothing."""
        path = f"{FOLDER}/no-such-weights.safetensors" if missing else self._workload.weights_path
        request = LoadPipelineWeightsRequest(session_id=self._session_id, weights_path=path)
        answer = rpcs.LOAD_WEIGHTS.answer(self._target, request)
        if not self._model.loaded:
            assert answer.reason in {"STATE_INVALID", "ARTIFACT_NOT_FOUND"}, f"{answer}"
        elif missing:
            rpcs.expect_reason(answer, "ARTIFACT_NOT_FOUND")
        else:
            answer.expect_ok()
            self._model.weights = Weights.TRAINED

    @rule()
    def refuse_weights(self) -> None:
        """Weights that are refused change nothing."""
        request = LoadPipelineWeightsRequest(session_id=self._session_id, weights_bytes=b"\x80\x04K\x01.")
        reason = "WEIGHTS_FORMAT_FORBIDDEN" if self._model.loaded else "STATE_INVALID"
        rpcs.LOAD_WEIGHTS.refused(self._target, request, reason=reason)

    @rule()
    def describe(self) -> None:
        """Inputs and outputs are told of a pipeline; the session says whether there is one."""
        for answer in (
            rpcs.GET_INPUTS.answer(self._target, GetPipelineInputsRequest(session_id=self._session_id)),
            rpcs.GET_OUTPUTS.answer(self._target, GetPipelineOutputsRequest(session_id=self._session_id)),
        ):
            if self._model.loaded:
                answer.expect_ok()
            else:
                rpcs.expect_reason(answer, "STATE_INVALID")
        session = rpcs.GET_SESSION.ok(self._target, GetSessionRequest(session_id=self._session_id)).session
        assert session.state == (SESSION_STATE_READY if self._model.loaded else SESSION_STATE_IDLE)

    @rule()
    def infer(self) -> None:
        """A trained pipeline always gives the same; without one there is nothing to infer with."""
        request = InferenceRequest(session_id=self._session_id, inputs=self._expected.inputs)
        answer = rpcs.INFER.answer(self._target, request)
        if self._model.weights is Weights.TRAINED:
            assert answer.expect_ok().outputs == self._expected.outputs
        elif not self._model.loaded:
            rpcs.expect_reason(answer, "STATE_INVALID")
        else:
            assert answer.ok or answer.reason == "STATE_INVALID", f"{answer}"

    @precondition(lambda self: not self._model.loaded)
    @rule()
    def save_nothing(self) -> None:
        """There is nothing to save without a pipeline."""
        request = SavePipelineRequest(session_id=self._session_id, pipeline_path=f"{FOLDER}/machine")
        rpcs.SAVE_PIPELINE.refused(self._target, request, reason="STATE_INVALID")

    @precondition(lambda self: self._model.weights is Weights.TRAINED)
    @rule()
    def save_and_load(self) -> None:
        """What was saved loads again."""
        request = SavePipelineRequest(session_id=self._session_id, pipeline_path=f"{FOLDER}/machine")
        saved = rpcs.SAVE_PIPELINE.ok(self._target, request)
        weights = LoadPipelineWeightsRequest(session_id=self._session_id, weights_path=saved.weights_path)
        assert rpcs.LOAD_WEIGHTS.ok(self._target, weights).resolved_path == saved.weights_path

    def teardown(self) -> None:
        """Close the session."""
        self._target.quiet_call("CloseSession", CloseSessionRequest(session_id=self._session_id))

    def _definition(self, definition: Json) -> LoadPipelineRequest:
        config = PipelineConfig(config_bytes=canonical(definition))
        return LoadPipelineRequest(session_id=self._session_id, pipeline=config)
