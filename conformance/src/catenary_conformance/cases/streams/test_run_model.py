"""A run of telemetry against a model: writers come, speak, err, leave and are replaced; the log has it all, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from catenary.telemetry.v1.run_request_pb2 import DeleteRunRequest
from catenary.telemetry.v1.telemetry_pb2 import PAYLOAD_CLASS_IMAGE_BATCH, Gap
from catenary_conformance import rpcs
from catenary_conformance.model.machines import check_machine
from catenary_conformance.model.telemetry import RunModel
from catenary_conformance.presuming import presuming
from catenary_conformance.requirement import requirement, slow
from catenary_conformance.trainer import Request, Trainer, batch
from catenary_conformance.watching import records, run_of, watched

if TYPE_CHECKING:
    from catenary_conformance.run import Run
    from catenary_conformance.target import Target


class _Writing(RuleBasedStateMachine):
    """One run, its writer, and what should be in its log."""

    def __init__(self, target: Target) -> None:
        super().__init__()
        target.begin_example()
        self.target = target
        self.model = RunModel()
        self.trainer = Trainer.register(target)
        self.sent: list[Request] = []

    @rule(images=st.integers(0, 2))
    def say(self, images: int) -> None:
        index = len(self.sent)
        self._send(self.model.say(index), batch_data=batch(index, images=images))

    @rule(back=st.integers(0, 3))
    def say_again(self, back: int) -> None:
        if back < len(self.sent):
            self.trainer.stream.send(self.sent[-1 - back])

    @rule()
    def say_too_much(self) -> None:
        most = self.trainer.registration.server_config.max_images_per_batch
        number = self.model.refuse()
        self._send(number, batch_data=batch(len(self.sent), images=most + 1))
        with presuming("CAT-TEL-012"):
            while self.trainer.reply("rejection").sequence != number:
                pass

    @rule(count=st.integers(1, 5))
    def drop(self, count: int) -> None:
        first, last = self.model.drop(count)
        gap = Gap(payload_class=PAYLOAD_CLASS_IMAGE_BATCH, from_sequence=first, to_sequence=last, dropped_count=count)
        self._send(self.model.refuse(), gap=gap)

    @rule()
    def beat(self) -> None:
        self.trainer.heartbeat()

    @rule()
    def wait(self) -> None:
        if self.model.last > self.model.durable:
            self.trainer.until_durable(self.model.last)
            self.model.durable = self.model.last

    @rule(skipped=st.integers(1, 3))
    def skip(self, skipped: int) -> None:
        self.wait()
        self.trainer.sequence = self.model.last + skipped
        self.trainer.say(batch_data=batch(0))
        with presuming("CAT-TEL-009"):
            answer = rpcs.expect_reason(self.trainer.stream.end(), "SEQ_GAP")
            assert answer.metadata["next_seq"] == str(self.model.next)
        self._replace()

    @rule()
    def die_and_come_back(self) -> None:
        self.trainer.leave()
        self._replace()

    @rule()
    def be_replaced(self) -> None:
        self.say(0)
        self.wait()
        before = self.trainer
        self._replace()
        with presuming("CAT-TEL-003"):
            rpcs.expect_reason(before.stream.end(), "STREAM_SUPERSEDED")

    def teardown(self) -> None:
        """The log has every batch once, in order, and says how many messages were dropped."""
        self.trainer.finish()
        run_id = self.trainer.run_id
        told = records(watched(self.target, run_id, after_sequence=0), "batch_data")
        with presuming("CAT-TEL-007"):
            assert [each.batch_idx for each in told] == self.model.stored
        with presuming("CAT-TEL-020"):
            assert sum(each.count for each in run_of(self.target, run_id).dropped) == self.model.dropped
        rpcs.DELETE_RUN.ok(self.target, DeleteRunRequest(run_id=run_id))

    def _send(self, number: int, **payload: Any) -> None:  # noqa: ANN401 - a payload of the message
        self.trainer.sequence = number - 1
        message = self.trainer.message(**payload)
        self.sent.append(message)
        self.trainer.stream.send(message)

    def _replace(self) -> None:
        """Take the run over, and say again what the server asks for."""
        before = self.trainer.registration
        self.trainer = Trainer.register(self.target, session_id=before.session_id, resume_token=before.resume_token)
        after = self.trainer.registration
        with presuming("CAT-TEL-003"):
            assert after.writer_epoch > before.writer_epoch
        with presuming("CAT-TEL-004"):
            assert self.model.resumes_at(after.resume_from_sequence)
        self.model.durable = after.resume_from_sequence - 1
        for message in self.sent:
            message.writer_epoch = after.writer_epoch
            if message.sequence >= after.resume_from_sequence:
                self.trainer.stream.send(message)
        self.trainer.sequence = self.model.last


@requirement("CAT-TEL-007", "CAT-TEL-003", "CAT-TEL-008", "CAT-TEL-009", "CAT-TEL-012", "CAT-TEL-020")
@slow  # drawn at random: behind the cases that say of one requirement what is wrong
def test_the_log_has_what_was_said_once_whatever_becomes_of_its_writers(run: Run) -> None:
    check_machine(lambda: _Writing(run.target), seed=run.plan.seed, count=6, steps=12)
