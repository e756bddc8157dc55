"""A run that is under way while a case looks at it."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import TYPE_CHECKING

from catenary.v1.training_pb2 import TRAINER_TYPE_GRADIENT, TrainResponse
from catenary.v1.training_requests_pb2 import GetTrainStatusRequest, StopTrainRequest, TrainRequest
from catenary_conformance import rpcs
from catenary_conformance.presuming import presuming
from catenary_conformance.progress import TERMINAL
from catenary_conformance.target import WORK_SECONDS
from catenary_conformance.workload import ENDLESS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_conformance.conversation import Stream
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload

_ONE_SECOND = 1.5
"""The second that the contract grants, with what it takes to tell."""
_STOP_SECONDS = 20.0
"""How long the end of a run may take at most; how soon it has to come, the case of StopTrain decides."""
_BUSY = 3
"""Times that a few batches take now, granted besides."""


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

    def still_goes_on(self, *, events: int = 2) -> None:
        """Wait for events that happen after now, not for those that are on their way already.

        Raises:
            AssertionError: the run has ended.
        """
        request = GetTrainStatusRequest(session_id=self.session_id)
        now = rpcs.GET_TRAIN_STATUS.ok(self.target, request).latest_progress.sequence
        while self.stream.received[-1].sequence < now + events:
            message = self.stream.receive()
            assert message is not None, f"the run ended: {self.stream.answer}"
            with presuming("CAT-TRN-035"):
                assert message.run_id == self.first.run_id
            assert message.status not in TERMINAL, f"the run ended: {message}"

    def batch_and_second(self) -> float:
        """Seconds in which the run has to end once it is to: one batch and one second, on a machine as busy as it is.

        Raises:
            AssertionError: the run has ended.
        """
        began = time.monotonic()
        self.still_goes_on(events=3)
        return self.target.seconds(_ONE_SECOND) + _BUSY * (time.monotonic() - began)

    def stop(self) -> list[TrainResponse]:
        """Stop it; what came on its stream until the end.

        Raises:
            AssertionError: the run goes on.
        """
        with presuming("CAT-TRN-018"):
            rpcs.STOP_TRAIN.ok(self.target, StopTrainRequest(session_id=self.session_id))
            until = time.monotonic() + self.target.seconds(_STOP_SECONDS)
            while self.stream.receive() is not None:
                assert time.monotonic() < until, "the run goes on although it was stopped"
            self.stream.end().expect_ok()
        return list(self.stream.received)


@contextlib.contextmanager
def running(
    target: Target, workload: Workload, *, timeout: float = WORK_SECONDS, **fields: object
) -> Iterator[Running]:
    """A gradient run in a session of its own; the session is closed behind the case.

    Args:
        target: the server.
        workload: what to train.
        timeout: deadline of the Train stream in seconds.
        fields: further fields of the request.
    """
    session_id = workload.trained(epochs=ENDLESS)
    request = TrainRequest(session_id=session_id, trainer_type=TRAINER_TYPE_GRADIENT, **fields)  # type: ignore[arg-type] # of the message
    with rpcs.TRAIN.open(target, request, timeout=timeout) as stream:
        first = stream.receive()
        assert first is not None, f"the run did not start: {stream.answer}"
        yield Running(target, session_id, request, stream, first)
