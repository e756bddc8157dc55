"""The runs of a session as the contract says they behave, and the machine that holds a target against that."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from catenary.v1.execution_stage_pb2 import EXECUTION_STAGE_VALIDATE
from catenary.v1.session_pb2 import SESSION_STATE_READY, SESSION_STATE_TRAINING
from catenary.v1.session_requests_pb2 import CloseSessionRequest, GetSessionRequest
from catenary.v1.training_pb2 import (
    TRAIN_STATUS_CANCELLED,
    TRAIN_STATUS_COMPLETED,
    TRAIN_STATUS_IN_PROGRESS,
    TRAIN_STATUS_UNSPECIFIED,
    TRAINER_TYPE_GRADIENT,
    TRAINER_TYPE_STATISTICAL,
    TrainStatus,
)
from catenary.v1.training_requests_pb2 import (
    EvaluateRequest,
    GetTrainStatusRequest,
    StopTrainRequest,
    TrainRequest,
    WatchTrainingRequest,
)
from catenary_conformance import progress, rpcs
from catenary_conformance.workload import ENDLESS

if TYPE_CHECKING:
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload


@dataclasses.dataclass(slots=True)
class RunsModel:
    """The latest run of a session: its id, empty before the first, and its state."""

    run_id: str = ""
    status: TrainStatus.ValueType = TRAIN_STATUS_UNSPECIFIED

    @property
    def running(self) -> bool:
        """Whether it works."""
        return self.status == TRAIN_STATUS_IN_PROGRESS


class TrainingMachine(RuleBasedStateMachine):
    """Starts, joins, stops, watches runs and evaluates in one session; its gradient runs do not end by themselves.

    Args:
        target: the server.
        workload: what is trained.
    """

    def __init__(self, target: Target, workload: Workload) -> None:
        super().__init__()
        target.begin_example()
        self._target = target
        self._session_id = workload.trained(epochs=ENDLESS)
        self._model = RunsModel()

    @rule()
    def start_or_join(self) -> None:
        """Train for the gradient phase starts a run, or joins the one there is."""
        request = TrainRequest(session_id=self._session_id, trainer_type=TRAINER_TYPE_GRADIENT)
        with rpcs.TRAIN.open(self._target, request) as stream:
            first = stream.receive()
            assert first is not None, f"{stream.answer}"
            assert first.status == TRAIN_STATUS_IN_PROGRESS
            assert (first.run_id == self._model.run_id) == self._model.running, "not the run that works"
            self._model = RunsModel(first.run_id, TRAIN_STATUS_IN_PROGRESS)

    @rule()
    def train_statistics(self) -> None:
        """A statistical run is refused while another phase works; else it completes."""
        request = TrainRequest(session_id=self._session_id, trainer_type=TRAINER_TYPE_STATISTICAL)
        messages, answer = rpcs.TRAIN.exchange(self._target, request)
        if self._model.running:
            rpcs.expect_reason(answer, "ALREADY_TRAINING")
            assert not messages
            return
        answer.expect_ok()
        progress.check_run(messages)
        assert messages[0].run_id != self._model.run_id, "another run has the id of an earlier one"
        self._model = RunsModel(messages[0].run_id, TRAIN_STATUS_COMPLETED)

    @rule()
    def stop(self) -> None:
        """Stopping accepts what works, and the run ends cancelled."""
        answer = rpcs.STOP_TRAIN.ok(self._target, StopTrainRequest(session_id=self._session_id))
        assert answer.accepted == self._model.running
        assert answer.run_id == (self._model.run_id if self._model.running else "")
        if self._model.running:
            updates = rpcs.WATCH_TRAINING.all(self._target, WatchTrainingRequest(session_id=self._session_id))
            last = updates[-1].progress if updates[-1].HasField("progress") else updates[-1].snapshot
            assert last.status == TRAIN_STATUS_CANCELLED
            self._model.status = TRAIN_STATUS_CANCELLED

    @rule()
    def look(self) -> None:
        """Status and session tell of the latest run."""
        request = GetTrainStatusRequest(session_id=self._session_id)
        latest = rpcs.GET_TRAIN_STATUS.ok(self._target, request).latest_progress
        assert (latest.run_id, latest.status) == (self._model.run_id, self._model.status)
        session = rpcs.GET_SESSION.ok(self._target, GetSessionRequest(session_id=self._session_id)).session
        assert session.state == (SESSION_STATE_TRAINING if self._model.running else SESSION_STATE_READY)
        assert session.run_id == (self._model.run_id if self._model.running else "")

    @rule(after=st.integers(0, 3))
    def watch(self, after: int) -> None:
        """A watch begins with a snapshot of the latest run; there is nothing to watch before the first."""
        request = WatchTrainingRequest(session_id=self._session_id, after_sequence=after)
        with rpcs.WATCH_TRAINING.open(self._target, request) as stream:
            first = stream.receive()
            if not self._model.run_id:
                assert first is None
                rpcs.expect_reason(stream.end(), "STATE_INVALID")
                return
            assert first.WhichOneof("update") == "snapshot"
            assert (first.snapshot.run_id, first.snapshot.status) == (self._model.run_id, self._model.status)
            second = stream.receive()
            if second is not None:
                assert second.progress.sequence > after

    @rule()
    def evaluate(self) -> None:
        """Evaluating is refused while a run works, and is no run itself."""
        request = EvaluateRequest(session_id=self._session_id, stage=EXECUTION_STAGE_VALIDATE)
        messages, answer = rpcs.EVALUATE.exchange(self._target, request)
        if self._model.running:
            rpcs.expect_reason(answer, "ALREADY_TRAINING")
            return
        answer.expect_ok()
        progress.check_terminal([each.progress for each in messages])

    def teardown(self) -> None:
        """End what works, and close the session."""
        self._target.quiet_call("CloseSession", CloseSessionRequest(session_id=self._session_id))
