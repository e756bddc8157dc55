"""Composition root of a session's process: the engine with the nodes it knows. Never imports grpc."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

from catenary_server.engine.torch_engine import TorchEngine
from catenary_server.nodes.catalog import built_in_types

if TYPE_CHECKING:
    from catenary_server.domain.runtime import Engine

_MOST_THREADS = 8
"""The matrices of a pipeline are small: more threads wait for each other, and other sessions need cores too."""


def build_engine(device: str = "auto") -> Engine:
    """The engine of one session.

    Args:
        device: `cpu`, `cuda:0`, or `auto` for the first accelerator there is.
    """
    torch.set_num_threads(min(len(os.sched_getaffinity(0)), _MOST_THREADS))
    return TorchEngine(built_in_types(), device)
