"""A run that is under way while a case looks at it."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from catenary.v1.training_pb2 import (
    TRAIN_STATUS_CANCELLED,
    TRAIN_STATUS_COMPLETED,
    TRAIN_STATUS_FAILED,
    TRAINER_TYPE_GRADIENT,
    TrainResponse,
)
from catenary.v1.training_requests_pb2 import StopTrainRequest, TrainRequest
from catenary_conformance import rpcs
from catenary_conformance.workload import ENDLESS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_conformance.conversation import Stream
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload

TERMINAL = frozenset({TRAIN_STATUS_COMPLETED, TRAIN_STATUS_FAILED, TRAIN_STATUS_CANCELLED})
"""States of a run that are final."""


@dataclasses.dataclass(frozen=True, slots=True)
class Running:
    """A gradient run that does not end by itself.

    Attributes:
        target: the server.
        session_id: the session that trains.
        request: what started it.
        stream: the Train stream; messages up to `first` are read.
        first: the first message.
    """

    target: Target
    session_id: str
    request: TrainRequest
    stream: Stream
    first: TrainResponse

    def still_goes_on(self) -> None:
        """Wait for another message.

        Raises:
            AssertionError: the run has ended.
        """
        message = self.stream.receive()
        assert message is not None, f"the run ended: {self.stream.answer}"
        assert message.run_id == self.first.run_id
        assert message.status not in TERMINAL, f"the run ended: {message}"

    def stop(self) -> list[TrainResponse]:
        """Stop it; what came on its stream until the end."""
        rpcs.STOP_TRAIN.ok(self.target, StopTrainRequest(session_id=self.session_id))
        self.stream.end().expect_ok()
        return list(self.stream.received)


@contextlib.contextmanager
def running(target: Target, workload: Workload, **fields: object) -> Iterator[Running]:
    """A gradient run in a session of its own; the session is closed behind the case.

    Args:
        target: the server.
        workload: what to train.
        fields: further fields of the request.
    """
    session_id = workload.trained(epochs=ENDLESS)
    request = TrainRequest(session_id=session_id, trainer_type=TRAINER_TYPE_GRADIENT, **fields)  # type: ignore[arg-type] # of the message
    with rpcs.TRAIN.open(target, request) as stream:
        first = stream.receive()
        assert first is not None, f"the run did not start: {stream.answer}"
        yield Running(target, session_id, request, stream, first)
