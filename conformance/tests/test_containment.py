from __future__ import annotations

from catenary.telemetry.v1.telemetry_pb2 import BatchData, ImageData
from catenary.v1.training_pb2 import TrainResponse
from catenary_conformance.containment import holds, missing


def test_a_message_holds_what_is_written_down_and_may_have_more() -> None:
    assert holds(TrainResponse(sequence=2, message="x"), TrainResponse(sequence=2))
    assert not holds(TrainResponse(sequence=3), TrainResponse(sequence=2))
    assert not holds(TrainResponse(), TrainResponse(sequence=2))


def test_of_two_that_are_alike_both_have_to_be_there() -> None:
    tile = ImageData(image_bytes=b"tile")
    assert holds(BatchData(images=[tile, ImageData(), tile]), BatchData(images=[tile, tile]))
    assert not holds(BatchData(images=[tile]), BatchData(images=[tile, tile]))


def test_messages_are_looked_for_in_their_order() -> None:
    first, second = TrainResponse(sequence=1), TrainResponse(sequence=2)
    assert missing([first, second], [first, TrainResponse(), second]) is None
    assert missing([second, first], [first, second]) == first
