"""What the cases of inference share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary.v1.inference_requests_pb2 import InferenceRequest
from catenary_conformance.chunked import tensors_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary.v1.tensor_pb2 import Tensor
    from catenary_conformance.workload import Workload


class Trained:
    """A session with a trained pipeline, and inputs that fit it.

    Attributes:
        session_id: the session.
        workload: what the target offers.
    """

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.session_id = workload.trained()
        self._inputs = {seed: workload.inputs(self.session_id, seed=seed) for seed in range(3)}

    def request(self, *, seed: int = 0, output_specs: tuple[str, ...] = ()) -> InferenceRequest:
        """A request that is accepted; another one for each seed."""
        return InferenceRequest(session_id=self.session_id, inputs=self._inputs[seed], output_specs=output_specs)

    def tensors(self, *, seed: int = 0) -> dict[str, Tensor]:
        """The inputs of that request by their names."""
        return tensors_of(self._inputs[seed])

    def outputs(self, *, seed: int = 0) -> Mapping[str, Tensor]:
        """What the pipeline gives for that request."""
        return self.workload.outputs(self.session_id, seed=seed)

    @property
    def main_input(self) -> str:
        """Name of the input that the cases spoil: the cube if there is one."""
        names = list(self.tensors())
        return "cube" if "cube" in names else names[0]

    def spoilt(self, tensor: Tensor) -> InferenceRequest:
        """A request of which the main input is another tensor."""
        request = self.request()
        name = self.main_input
        if name in request.inputs.extra_inputs:
            request.inputs.extra_inputs[name].CopyFrom(tensor)
        else:
            getattr(request.inputs, name).CopyFrom(tensor)
        return request


@pytest.fixture(scope="module")
def trained(workload: Workload) -> Trained:
    """A session with a trained pipeline that the cases of a file share: inference leaves no trace in it."""
    return Trained(workload)


@pytest.fixture
def own_trained(workload: Workload) -> Trained:
    """A session with a trained pipeline of the case's own."""
    return Trained(workload)
