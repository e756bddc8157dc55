from __future__ import annotations

import grpc

from catenary_conformance.answer import answered, refused
from catenary_conformance.recording import REDACTED, Recorder
from catenary_conformance.report.transcripts import digest, transcript

PATH = "/catenary.v1.SessionService/GetSession"


def call(recorder: Recorder, data: bytes, *, caused: bool = False) -> None:
    record = recorder.begin_call(PATH, 1.0, (("authorization", "Bearer secret"), ("x", "y")))
    record.note("sent", data)
    recorder.end_call(record, answered(PATH), caused=caused)


def sent(recorder: Recorder) -> list[bytes]:
    return [event.data for record in recorder.calls for event in record.events if event.kind == "sent"]


def test_of_many_examples_the_last_is_kept_with_what_prepared_all() -> None:
    recorder = Recorder()
    recorder.begin_case("a case")
    call(recorder, b"prepares")
    for example in (b"first", b"second"):
        recorder.begin_example()
        call(recorder, example)
    assert sent(recorder) == [b"prepares", b"second"]


def test_the_next_case_starts_with_nothing() -> None:
    recorder = Recorder()
    recorder.begin_case("a case")
    call(recorder, b"old")
    recorder.begin_case("another")
    assert not recorder.calls
    assert recorder.touched == {"a case": {PATH}, "another": set()}


def test_credentials_are_not_written_down() -> None:
    recorder = Recorder()
    call(recorder, b"")
    assert recorder.calls[0].metadata == (("authorization", REDACTED), ("x", "y"))
    assert b"secret" not in transcript(recorder.calls).SerializeToString()


def test_a_code_that_the_suite_itself_brought_about_does_not_count() -> None:
    recorder = Recorder()
    call(recorder, b"", caused=True)
    assert not recorder.codes
    call(recorder, b"")
    assert recorder.codes == {(PATH, grpc.StatusCode.OK): 1}


def test_a_transcript_is_recognised_by_what_happened_not_by_ids_and_times() -> None:
    digests = set()
    for data in (b"\x0a\x01a", b"\x0a\x01b"):
        recorder = Recorder()
        call(recorder, data)
        digests.add(digest(transcript(recorder.calls)))
    assert len(digests) == 1
    record = (other := Recorder()).begin_call(PATH, 1.0, ())
    other.end_call(record, refused(PATH, grpc.StatusCode.NOT_FOUND, "gone", None), caused=False)
    assert digest(transcript(other.calls)) not in digests
