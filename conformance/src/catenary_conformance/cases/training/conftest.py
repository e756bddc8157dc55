"""What the cases of training share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary.v1.training_pb2 import TRAINER_TYPE_GRADIENT, TRAINER_TYPE_STATISTICAL
from catenary.v1.training_requests_pb2 import TrainRequest
from catenary_conformance import rpcs

if TYPE_CHECKING:
    from catenary.v1.training_pb2 import TrainResponse
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload


@pytest.fixture
def statistical_run(target: Target, workload: Workload) -> list[TrainResponse]:
    """Messages of a statistical run."""
    session_id = workload.open_session()
    workload.configure(session_id)
    return rpcs.TRAIN.all(target, TrainRequest(session_id=session_id, trainer_type=TRAINER_TYPE_STATISTICAL))


@pytest.fixture
def gradient_run(target: Target, workload: Workload) -> list[TrainResponse]:
    """Messages of a gradient run."""
    session_id = workload.trained()
    return rpcs.TRAIN.all(target, TrainRequest(session_id=session_id, trainer_type=TRAINER_TYPE_GRADIENT))
