"""The network behind KServe's gRPC server; runs in an environment of its own that borrows our torch.

`python kserve_model.py PORT REQUEST_FILE PORT_FILE` writes an encoded request and its address, and serves until killed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from kserve import (  # type: ignore[import-not-found] # in an environment of its own
    InferInput,
    InferOutput,
    InferRequest,
    InferResponse,
    Model,
    ModelServer,
)
from torch import nn

NAME = "pixel-network"
SHAPE = (1, 64, 64, 61)


class PixelNetwork(Model):  # type: ignore[misc] # untyped where this is checked
    """Scores each pixel."""

    def __init__(self) -> None:
        super().__init__(NAME)
        torch.manual_seed(0)
        torch.set_num_threads(1)
        self.network = nn.Sequential(nn.Linear(61, 64), nn.ReLU(), nn.Linear(64, 1))
        self.ready = True

    def predict(self, payload: Any, _headers: Any = None, _response_headers: Any = None) -> Any:  # noqa: ANN401 - KServe's
        """Scores of a cube."""
        cube = torch.from_numpy(payload.inputs[0].as_numpy())
        with torch.inference_mode():
            scores = self.network(cube).numpy()
        output = InferOutput("scores", list(scores.shape), "FP32")
        output.set_data_from_numpy(scores, binary_data=True)
        return InferResponse(response_id=payload.id, model_name=NAME, infer_outputs=[output])


def main(port: int, request_file: Path, port_file: Path) -> None:
    """Write the request and serve."""
    cube = InferInput("cube", list(SHAPE), "FP32")
    cube.set_data_from_numpy(np.random.default_rng(0).random(SHAPE, np.float32), binary_data=True)
    request_file.write_bytes(InferRequest(NAME, [cube]).to_grpc().SerializeToString())
    port_file.write_text(f"127.0.0.1:{port}\n")
    ModelServer(http_port=port + 1, grpc_port=port, workers=1, enable_docs_url=False).start([PixelNetwork()])


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
