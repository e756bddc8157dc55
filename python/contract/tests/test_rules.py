"""The rules in the image, under the validator that servers use."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import protovalidate
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message_factory import GetMessageClass

from catenary.telemetry.v1 import (
    command_pb2,
    command_request_pb2,
    metric_query_pb2,
    registration_pb2,
    run_request_pb2,
    stream_pb2,
    telemetry_pb2,
    training_pb2,
    watch_pb2,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

IMAGE = FileDescriptorSet.FromString(files("catenary").joinpath("contract.binpb").read_bytes())
POOL = DescriptorPool()
for each in IMAGE.file:
    POOL.Add(each)
REQUESTS = [
    method.input_type.removeprefix(".")
    for file in IMAGE.file
    for service in file.service
    for method in service.method
    if file.name.startswith("catenary/")
]
# A validator remembers the rules of a message by its name: this one sees messages of the image only.
VALIDATOR = protovalidate.Validator()

STREAM = "catenary.telemetry.v1.StreamTelemetryRequest"


def broken(message: Message) -> set[str]:
    """Return the ids of the rules that a message of the stubs breaks."""
    ruled = GetMessageClass(POOL.FindMessageTypeByName(message.DESCRIPTOR.full_name))
    found = VALIDATOR.collect_violations(ruled.FromString(message.SerializeToString()))
    return {violation.proto.rule_id for violation in found}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_rules_of_a_request_compile(name: str) -> None:
    VALIDATOR.collect_violations(GetMessageClass(POOL.FindMessageTypeByName(name))())


def stream_message(**fields: object) -> stream_pb2.StreamTelemetryRequest:
    fields = {"session_id": "train_001", "heartbeat": telemetry_pb2.Heartbeat()} | fields
    return stream_pb2.StreamTelemetryRequest(**fields)  # type: ignore[arg-type]  # each test gives the right types


def command(**fields: object) -> command_pb2.ControlCommand:
    return command_pb2.ControlCommand(**({"command_id": "c1"} | fields))  # type: ignore[arg-type]  # as above


BATCH = telemetry_pb2.BatchData(
    images=[telemetry_pb2.ImageData(image_bytes=b"x", format="jpeg", width=256, height=256, channels=3)],
    batch_loss=float("nan"),
)
IMAGES = telemetry_pb2.PAYLOAD_CLASS_IMAGE_BATCH
PAUSE = command_pb2.COMMAND_TYPE_PAUSE_TRAINING
RATE = command_pb2.COMMAND_TYPE_CHANGE_LEARNING_RATE

PASSING: dict[str, Message] = {
    "a heartbeat": stream_message(),
    "a batch without a sequence": stream_message(heartbeat=None, batch_data=BATCH),
    "a batch with a sequence": stream_message(heartbeat=None, batch_data=BATCH, sequence=1, writer_epoch=1),
    "a gap": telemetry_pb2.Gap(payload_class=IMAGES, from_sequence=3, to_sequence=5, dropped_count=3),
    "a gap up to the last number": telemetry_pb2.Gap(
        payload_class=IMAGES, from_sequence=1, to_sequence=2**64 - 1, dropped_count=2**64 - 1
    ),
    "a registration of the proposal": registration_pb2.RegisterTrainingSessionRequest(
        session_id="train_001", client_name="pytorch_trainer", client_version="1.0.0"
    ),
    "an empty registration": registration_pb2.RegisterTrainingSessionRequest(),
    "a pause": command(type=PAUSE),
    "a learning rate": command(type=RATE, learning_rate=1e-3),
    "all runs": run_request_pb2.ListRunsRequest(),
    "a watch from now on": watch_pb2.WatchRunRequest(run_id="r"),
    "metrics of all steps": metric_query_pb2.QueryMetricsRequest(run_id="r", metric_names=["loss"]),
}
FAILING: dict[str, tuple[Message, str]] = {
    "no payload": (stream_message(heartbeat=None), "required"),
    "a sequence without an epoch": (
        stream_message(heartbeat=None, batch_data=BATCH, sequence=1),
        "stream_telemetry_request.epoch_beside_sequence",
    ),
    "a heartbeat with a sequence": (
        stream_message(sequence=1, writer_epoch=1),
        "stream_telemetry_request.heartbeat_has_no_sequence",
    ),
    "seventeen images": (
        telemetry_pb2.BatchData(images=[telemetry_pb2.ImageData()] * 17),
        "repeated.max_items",
    ),
    "an image of another format": (telemetry_pb2.ImageData(format="bmp"), "string.in"),
    "a gap that ends before it begins": (
        telemetry_pb2.Gap(payload_class=IMAGES, from_sequence=5, to_sequence=3, dropped_count=1),
        "gap.ordered",
    ),
    "a gap of more than its range": (
        telemetry_pb2.Gap(payload_class=IMAGES, from_sequence=3, to_sequence=5, dropped_count=4),
        "gap.count_within_range",
    ),
    "an id with a slash": (registration_pb2.RegisterTrainingSessionRequest(session_id="a/b"), "string.pattern"),
    "an id with a line break": (registration_pb2.RegisterTrainingSessionRequest(session_id="a\n"), "string.pattern"),
    "a token without its run": (
        registration_pb2.RegisterTrainingSessionRequest(resume_token="t"),  # noqa: S106 - a token of a test
        "register_training_session_request.token_needs_id",
    ),
    "a command declared twice": (
        registration_pb2.RegisterTrainingSessionRequest(commands=[command_pb2.CommandCapability(type=PAUSE)] * 2),
        "register_training_session_request.commands_unique",
    ),
    "a pause with an argument": (command(type=PAUSE, batch_size=3), "control_command.argument_matches_type"),
    "a learning rate without one": (command(type=RATE), "control_command.argument_matches_type"),
    "an infinite learning rate": (command(type=RATE, learning_rate=float("inf")), "double.finite"),
    "no command": (command_request_pb2.SendCommandRequest(run_id="r"), "required"),
    "a wait of minutes": (
        command_request_pb2.SendCommandRequest(
            run_id="r", command=command(type=PAUSE), result_timeout=Duration(seconds=61)
        ),
        "duration.gte_lte",
    ),
    "a status of zero": (
        run_request_pb2.ListRunsRequest(statuses=[training_pb2.TRAINING_STATUS_UNSPECIFIED]),
        "enum.not_in",
    ),
    "a range of steps that ends before it begins": (
        metric_query_pb2.QueryMetricsRequest(run_id="r", metric_names=["loss"], from_step=2, to_step=1),
        "query_metrics_request.range_ordered",
    ),
}


@pytest.mark.parametrize("message", PASSING.values(), ids=PASSING.keys())
def test_a_message_within_the_rules_passes(message: Message) -> None:
    assert broken(message) == set()


@pytest.mark.parametrize(("message", "rule"), FAILING.values(), ids=FAILING.keys())
def test_a_message_against_a_rule_is_found(message: Message, rule: str) -> None:
    assert rule in broken(message)
