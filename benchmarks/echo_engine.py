"""An engine that gives its inputs back: what is left is the way to a worker and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_server.domain.runtime import Catalog, Device, Inference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catenary_server.domain.tensor import Tensor


class EchoEngine:
    """The two methods of an engine that the bench calls."""

    def catalog(self) -> Catalog:
        """No node types, one device."""
        return Catalog(nodes={}, devices=(Device(name="cpu", description="CPU"),))

    def infer(self, inputs: Mapping[str, Tensor], outputs: Sequence[str]) -> Inference:  # noqa: ARG002 - the interface
        """The inputs."""
        return Inference(outputs=inputs, metrics={})


def build_engine(device: str) -> EchoEngine:  # noqa: ARG001 - the interface
    """The engine."""
    return EchoEngine()
