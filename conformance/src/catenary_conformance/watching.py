"""Viewers of runs: what a watch tells, in terms that a case compares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catenary.telemetry.v1 import run_request_pb2, watch_pb2
from catenary_conformance import rpcs
from catenary_conformance.presuming import presuming
from catenary_conformance.target import CALL_SECONDS, DEFAULT

if TYPE_CHECKING:
    from catenary.telemetry.v1.run_pb2 import Run
    from catenary_conformance.conversation import Stream
    from catenary_conformance.rpcs import Token
    from catenary_conformance.target import Target


def watch(target: Target, run_id: str, *, token: Token = DEFAULT, **fields: Any) -> Stream:  # noqa: ANN401 - of the message
    """A watch of a run; use it in a `with` block."""
    return rpcs.WATCH_RUN.open(target, watch_pb2.WatchRunRequest(run_id=run_id, **fields), token=token)


def watched(target: Target, run_id: str, **fields: Any) -> list[watch_pb2.WatchRunResponse]:  # noqa: ANN401 - of the message
    """Everything that a watch of a run that has ended tells.

    Raises:
        AssertionError: it is not of the form that every watch has; the failure blames what is broken.
    """
    with watch(target, run_id, **fields) as viewer:
        while (message := viewer.receive()) is not None and not message.HasField("run_ended"):
            pass
        with presuming("CAT-TEL-032"):
            assert viewer.receive(CALL_SECONDS) is None, "something came behind the end of the training"
            viewer.end().expect_ok()
            assert events(viewer.received)[-1] == "run_ended", "the watch ended before the training"
        told: list[watch_pb2.WatchRunResponse] = list(viewer.received)
    sequences = [each.sequence for each in told[1:-1]]
    with presuming("CAT-TEL-027"):
        assert events(told).index("snapshot") == 0, "the watch does not begin with a snapshot"
        assert events(told).count("snapshot") == 1, "there is another snapshot"
        assert sequences == sorted(set(sequences)), "an event came twice or out of order"
    return told


def events(messages: list[watch_pb2.WatchRunResponse]) -> list[str]:
    """The kind of each message: `snapshot`, `record`, `command`, ..."""
    return [str(each.WhichOneof("event")) for each in messages]


def records(messages: list[watch_pb2.WatchRunResponse], kind: str) -> list[Any]:
    """What the training said of a kind, such as `batch_data`, in order."""
    said = [each.record for each in messages if each.HasField("record")]
    return [getattr(each, kind) for each in said if each.WhichOneof("payload") == kind]


def next_record(stream: Stream, kind: str) -> Any:  # noqa: ANN401 - a payload of StreamTelemetryRequest
    """The next thing of a kind that the training said; other messages are passed over.

    Raises:
        AssertionError: the watch ended.
    """
    return getattr(next_event(stream, "record", kind).record, kind)


def next_event(stream: Stream, event: str, kind: str = "") -> watch_pb2.WatchRunResponse:
    """The next message with an event, and of records with a kind.

    Raises:
        AssertionError: the watch ended.
    """
    while (message := stream.receive()) is not None:
        if message.WhichOneof("event") == event and kind in {"", message.record.WhichOneof("payload")}:
            found: watch_pb2.WatchRunResponse = message
            return found
    raise AssertionError(f"the watch ended before {event} {kind}: {stream.answer}")


def run_of(target: Target, run_id: str) -> Run:
    """The run, as GetRun tells it."""
    return rpcs.GET_RUN.ok(target, run_request_pb2.GetRunRequest(run_id=run_id)).run
