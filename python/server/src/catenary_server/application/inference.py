"""Tensors in, tensors out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.tensor import check_against, check_tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catenary_server.application.session import Session
    from catenary_server.domain.node import PortSpec
    from catenary_server.domain.runtime import Inference
    from catenary_server.domain.tensor import Tensor


class Inferences:
    """Runs a session's pipeline on a client's tensors."""

    async def infer(self, session: Session, inputs: Mapping[str, Tensor], outputs: Sequence[str]) -> Inference:
        """Compute the named outputs (`node.port`, or a port name that is unique), or the exit ports if none is named.

        Everything about the inputs is checked here, before the worker sees a byte.

        Raises:
            Failure: STATE_INVALID, INPUT_NAME_MISSING, INPUT_NAME_UNKNOWN, TENSOR_DTYPE, TENSOR_SHAPE,
                TENSOR_SIZE_MISMATCH, FIELD_INVALID for an unknown output, NODE_FAILED, WORKER_CRASHED,
                GPU_OUT_OF_MEMORY, SESSION_CLOSING.
        """
        with session.engaged() as pipeline:
            check_inputs(inputs, pipeline.graph.ports().inputs)
            return await pipeline.worker.infer(inputs, outputs)


def check_inputs(inputs: Mapping[str, Tensor], ports: Mapping[str, PortSpec]) -> None:
    """Check names, element types, shapes and byte lengths of the inputs against the entry ports.

    Raises:
        Failure: INPUT_NAME_UNKNOWN, INPUT_NAME_MISSING, TENSOR_DTYPE, TENSOR_SHAPE, TENSOR_SIZE_MISMATCH.
    """
    unknown = tuple(
        Violation(f"inputs.{name}", "the pipeline has no such input") for name in inputs if name not in ports
    )
    if unknown:
        raise Failure(
            Reason.INPUT_NAME_UNKNOWN,
            f"the pipeline takes {', '.join(ports)}; it has no {unknown[0].subject}",
            violations=unknown,
        )
    missing = tuple(
        Violation(f"inputs.{name}", "the pipeline needs it")
        for name, port in ports.items()
        if not port.optional and name not in inputs
    )
    if missing:
        raise Failure(Reason.INPUT_NAME_MISSING, f"{missing[0].subject} is missing", violations=missing)
    for name, tensor in inputs.items():
        check_tensor(name, tensor)
        check_against(name, tensor, ports[name].dtype, ports[name].shape)
