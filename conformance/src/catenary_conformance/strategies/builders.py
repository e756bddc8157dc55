# ruff: noqa: ANN401 - one function serves one type of message, known by the id of its rule
"""Rules over several fields: how a drawn message is made to keep one, and how to break it.

A rule that is new in the contract needs an entry in both tables; a test says so. Filtering instead would draw for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypothesis.strategies import DrawFn

    Change = Callable[[DrawFn, Any], None]

_BATCH_SIZE, _LEARNING_RATE, _PAUSE = 4, 5, 1


def _keep_argument(draw: DrawFn, message: Any) -> None:
    message.ClearField("batch_size")
    message.ClearField("learning_rate")
    if message.type == _BATCH_SIZE:
        message.batch_size = draw(st.integers(1, 1_048_576))
    if message.type == _LEARNING_RATE:
        message.learning_rate = draw(st.floats(1e-6, 1000))


def _break_argument(draw: DrawFn, message: Any) -> None:
    message.type = draw(st.sampled_from([_BATCH_SIZE, _LEARNING_RATE, _PAUSE]))
    message.ClearField("batch_size")
    message.ClearField("learning_rate")
    if message.type == _PAUSE:
        message.batch_size = 8


def _keep_bounds(_draw: DrawFn, message: Any) -> None:
    if message.HasField("minimum") and message.HasField("maximum") and message.maximum < message.minimum:
        message.minimum, message.maximum = message.maximum, message.minimum


def _break_bounds(draw: DrawFn, message: Any) -> None:
    message.maximum = draw(st.integers(-1000, 1000))
    message.minimum = message.maximum + draw(st.sampled_from([1, 100]))


def _keep_range(_draw: DrawFn, message: Any) -> None:
    if message.HasField("from_step") and message.HasField("to_step") and message.to_step < message.from_step:
        message.from_step, message.to_step = message.to_step, message.from_step


def _break_range(draw: DrawFn, message: Any) -> None:
    message.to_step = draw(st.integers(0, 1000))
    message.from_step = message.to_step + draw(st.sampled_from([1, 100]))


def _keep_token(_draw: DrawFn, message: Any) -> None:
    if not message.session_id:
        message.resume_token = ""


def _break_token(draw: DrawFn, message: Any) -> None:
    message.session_id = ""
    message.resume_token = draw(st.sampled_from(["x", "a-token-of-nobody"]))


def _keep_commands(_draw: DrawFn, message: Any) -> None:
    by_type = {command.type: command for command in message.commands}
    kept = list(by_type.values())
    del message.commands[:]
    message.commands.extend(kept)


def _break_commands(draw: DrawFn, message: Any) -> None:
    kind = draw(st.integers(1, 5))
    del message.commands[:]
    for _ in range(draw(st.integers(2, 3))):
        message.commands.add(type=kind)


def _keep_gap(_draw: DrawFn, message: Any) -> None:
    if message.to_sequence < message.from_sequence:
        message.from_sequence, message.to_sequence = message.to_sequence, message.from_sequence
    message.dropped_count = min(message.dropped_count, message.to_sequence - message.from_sequence + 1)


def _break_gap_order(draw: DrawFn, message: Any) -> None:
    message.to_sequence = draw(st.integers(1, 1000))
    message.from_sequence = message.to_sequence + draw(st.sampled_from([1, 100]))
    message.dropped_count = 1


def _break_gap_count(draw: DrawFn, message: Any) -> None:
    message.from_sequence = draw(st.integers(1, 1000))
    message.to_sequence = message.from_sequence + draw(st.integers(0, 10))
    message.dropped_count = message.to_sequence - message.from_sequence + draw(st.sampled_from([2, 100]))


def _keep_epoch(draw: DrawFn, message: Any) -> None:
    message.ClearField("sequence")
    message.ClearField("writer_epoch")
    if not message.HasField("heartbeat") and draw(st.booleans()):
        message.sequence, message.writer_epoch = draw(st.integers(1, 100)), draw(st.integers(1, 100))


def _break_epoch(draw: DrawFn, message: Any) -> None:
    message.ClearField("sequence")
    message.ClearField("writer_epoch")
    if message.HasField("heartbeat") or draw(st.booleans()):
        message.writer_epoch = draw(st.integers(1, 100))
    else:
        message.sequence = draw(st.integers(1, 100))


def _break_heartbeat(draw: DrawFn, message: Any) -> None:
    message.heartbeat.SetInParent()
    message.sequence, message.writer_epoch = draw(st.integers(1, 100)), draw(st.integers(1, 100))


def _keep_paths(_draw: DrawFn, message: Any) -> None:
    kept = list({file.path: file for file in message.files}.values())
    del message.files[:]
    message.files.extend(kept)


def _break_paths(_draw: DrawFn, message: Any) -> None:
    message.files.add().CopyFrom(message.files[0])


def _keep_corners(_draw: DrawFn, message: Any) -> None:
    message.x_min, message.x_max = sorted((message.x_min, message.x_max))
    message.y_min, message.y_max = sorted((message.y_min, message.y_max))


def _break_corners(draw: DrawFn, message: Any) -> None:
    axis = draw(st.sampled_from("xy"))
    setattr(message, f"{axis}_min", getattr(message, f"{axis}_max") + draw(st.sampled_from([0.5, 100.0])))


def _keep_source(_draw: DrawFn, message: Any) -> None:
    if not message.session_id and not message.config_content:
        message.session_id = "conformance"


def _break_source(_draw: DrawFn, message: Any) -> None:
    message.session_id = message.config_content = ""


REPAIRS: Mapping[str, Change] = {
    "control_command.argument_matches_type": _keep_argument,
    "command_capability.bounds_ordered": _keep_bounds,
    "query_metrics_request.range_ordered": _keep_range,
    "register_training_session_request.token_needs_id": _keep_token,
    "register_training_session_request.commands_unique": _keep_commands,
    "gap.ordered": _keep_gap,
    "gap.count_within_range": _keep_gap,
    "stream_telemetry_request.epoch_beside_sequence": _keep_epoch,
    "stream_telemetry_request.heartbeat_has_no_sequence": _keep_epoch,
    "dataset.paths": _keep_paths,
    "bounding_box.corners": _keep_corners,
    "visualization.source": _keep_source,
}
"""Makes a drawn message keep a rule, by the rule's id."""

BREAKS: Mapping[str, Change] = {
    "control_command.argument_matches_type": _break_argument,
    "command_capability.bounds_ordered": _break_bounds,
    "query_metrics_request.range_ordered": _break_range,
    "register_training_session_request.token_needs_id": _break_token,
    "register_training_session_request.commands_unique": _break_commands,
    "gap.ordered": _break_gap_order,
    "gap.count_within_range": _break_gap_count,
    "stream_telemetry_request.epoch_beside_sequence": _break_epoch,
    "stream_telemetry_request.heartbeat_has_no_sequence": _break_heartbeat,
    "dataset.paths": _break_paths,
    "bounding_box.corners": _break_corners,
    "visualization.source": _break_source,
}
"""Makes a valid message break a rule and no other, by the rule's id."""
