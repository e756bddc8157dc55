"""What the conformance suite once found in our server stays mended."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import json_format

from catenary.conformance.v1 import transcript_pb2
from catenary_conformance.contract import Contract
from catenary_conformance.janitor import Janitor
from catenary_conformance.replay import Ending, replay
from catenary_conformance.target import Settings, Target

TRANSCRIPTS = sorted((Path(__file__).parents[1] / "conformance" / "regressions").glob("*.transcript.json"))
TIMES = 10

pytestmark = pytest.mark.slow


def replayed(address: str, file: Path) -> list[Ending]:
    """How each call of a transcript went; what they made is removed."""
    written = json_format.Parse(file.read_text(encoding="utf-8"), transcript_pb2.Transcript())
    target = Target(Settings(address=address), Contract.load())
    janitor = Janitor(target)
    try:
        return replay(target, written, responses=True)
    finally:
        left = janitor.sweep()
        janitor.close()
        target.close()
        assert not left


def test_there_are_transcripts() -> None:
    assert TRANSCRIPTS


@pytest.mark.parametrize("file", TRANSCRIPTS, ids=lambda file: file.name.partition(".")[0])
def test_what_was_mended_goes_as_it_has_to(server: str, file: Path) -> None:
    wrong = [each for each in replayed(server, file) if not each.same]
    assert not wrong


@pytest.mark.parametrize("file", TRANSCRIPTS, ids=lambda file: file.name.partition(".")[0])
def test_a_transcript_has_the_same_verdict_every_time(server: str, file: Path) -> None:
    verdicts = {all(each.same for each in replayed(server, file)) for _ in range(TIMES)}
    assert verdicts == {True}
