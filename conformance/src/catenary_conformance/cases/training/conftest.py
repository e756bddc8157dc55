"""What the cases of training share."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from catenary.v1.session_requests_pb2 import CloseSessionRequest
from catenary.v1.training_pb2 import TRAINER_TYPE_GRADIENT, TRAINER_TYPE_STATISTICAL, TrainerType
from catenary.v1.training_requests_pb2 import TrainRequest
from catenary_conformance import rpcs

if TYPE_CHECKING:
    from catenary.v1.training_pb2 import TrainResponse
    from catenary_conformance.recording import CallRecord
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload


@dataclasses.dataclass(frozen=True, slots=True)
class Ran:
    """A run that was followed to its end.

    Attributes:
        messages: what came of it.
        calls: what was called for it.
    """

    messages: list[TrainResponse]
    calls: tuple[CallRecord, ...]


@pytest.fixture(scope="module")
def ran_statistical(target: Target, workload: Workload) -> Ran:
    """A statistical run; the cases of a file look at the same one."""
    workload.trainrun()  # made before, so that its calls are not among those of the run
    first = len(target.recorder.calls)
    session_id = workload.open_session()
    workload.configure(session_id)
    return _ran(target, session_id, TRAINER_TYPE_STATISTICAL, first)


@pytest.fixture(scope="module")
def ran_gradient(target: Target, workload: Workload) -> Ran:
    """A gradient run; the cases of a file look at the same one."""
    workload.weights_path  # noqa: B018 - as above
    first = len(target.recorder.calls)
    return _ran(target, workload.trained(), TRAINER_TYPE_GRADIENT, first)


def _ran(target: Target, session_id: str, phase: TrainerType.ValueType, first: int) -> Ran:
    messages = rpcs.TRAIN.all(target, TrainRequest(session_id=session_id, trainer_type=phase))
    ran = Ran(messages, target.recorder.calls[first:])
    rpcs.CLOSE_SESSION.ok(target, CloseSessionRequest(session_id=session_id))
    return ran


@pytest.fixture
def statistical_run(target: Target, ran_statistical: Ran) -> list[TrainResponse]:
    """Messages of a statistical run."""
    target.recorder.recall(ran_statistical.calls)
    return ran_statistical.messages


@pytest.fixture
def gradient_run(target: Target, ran_gradient: Ran) -> list[TrainResponse]:
    """Messages of a gradient run."""
    target.recorder.recall(ran_gradient.calls)
    return ran_gradient.messages
