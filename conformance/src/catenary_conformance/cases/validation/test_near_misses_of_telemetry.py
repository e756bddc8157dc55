"""A telemetry message that breaks a rule is refused in band, and the stream goes on: one test for each rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenary.telemetry.v1.registration_pb2 import RegisterTrainingSessionRequest
from catenary.v1 import error_pb2
from catenary_conformance.answer import WrongAnswer
from catenary_conformance.contract import Contract
from catenary_conformance.intensity import examples
from catenary_conformance.requirement import capability, each_rule, requirement
from catenary_conformance.strategies.near_miss import near_misses

if TYPE_CHECKING:
    from catenary.telemetry.v1.stream_pb2 import StreamTelemetryRequest, StreamTelemetryResponse
    from catenary_conformance.contract import Rule
    from catenary_conformance.target import Target

METHOD = Contract.load().method("StreamTelemetry")
RULES = [
    pytest.param(rule, id=rule.name)
    for rule in Contract.load().rules(METHOD.request)
    # A message with such an id names a run that is not registered, one with such an epoch another writer.
    if rule.field not in {"session_id", "writer_epoch"}
]
REASONS = frozenset({error_pb2.ERROR_REASON_FIELD_INVALID, error_pb2.ERROR_REASON_IMAGE_INVALID})


@each_rule
@requirement("CAT-ERR-001")
@capability("telemetry")
@pytest.mark.parametrize("rule", RULES)
@examples(1, shrink=False)
@given(data=st.data())
def test_a_message_that_breaks_a_rule_is_refused_in_band(target: Target, rule: Rule, data: st.DataObject) -> None:
    request = RegisterTrainingSessionRequest(session_id=target.unique("rules"))
    registered = target.call("RegisterTrainingSession", request).expect_ok()
    message = data.draw(near_misses(METHOD.request, rule))
    message.session_id = registered.session_id
    _number(message, rule, registered.writer_epoch)
    with target.stream(METHOD.path, timeout=20.0) as stream:
        # Alone, so that what the server says of the run is heard before it says anything of the message.
        stream.send(METHOD.request(session_id=registered.session_id, heartbeat={}))
        stream.send(message)
        stream.half_close()
        responses = list(stream)
    if not any(_refuses(each) for each in responses):
        raise WrongAnswer(f"expected FIELD_INVALID in band for {rule.name}, but {responses} and {stream.answer}")


def _number(message: StreamTelemetryRequest, rule: Rule, epoch: int) -> None:
    """The first number of the newest writer, unless the rule is about numbers; none for the rest."""
    if rule.field not in {"", "sequence"}:
        message.ClearField("sequence")
        message.ClearField("writer_epoch")
    if message.HasField("writer_epoch"):
        message.writer_epoch = epoch
    if message.HasField("sequence") and rule.field != "sequence":
        message.sequence = 1


def _refuses(response: StreamTelemetryResponse) -> bool:
    refusal = response.rejection if response.HasField("rejection") else response.error
    return refusal.reason in REASONS
