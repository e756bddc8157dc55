"""Composition root of a session's process: the engine with the nodes it knows. Never imports grpc."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

from catenary_server.engine.gradient_phase import silence_lightning
from catenary_server.engine.torch_engine import TorchEngine
from catenary_server.nodes.catalog import built_in_types
from catenary_server.plugins.importing import import_plugin

if TYPE_CHECKING:
    from catenary_server.domain.runtime import Engine

_MOST_THREADS = 8
"""More threads than that wait for each other on matrices as small as a pipeline's."""


def build_engine(device: str = "auto") -> Engine:
    """The engine of one session.

    Args:
        device: `cpu`, `cuda:0`, or `auto` for the first accelerator there is.
    """
    silence_lightning()
    # Half of the cores: threads of several busy sessions that share a core spin at every barrier, and the front end
    # needs a core too.
    torch.set_num_threads(max(1, min(len(os.sched_getaffinity(0)) // 2, _MOST_THREADS)))
    return TorchEngine(built_in_types(), device, import_plugin=import_plugin)
