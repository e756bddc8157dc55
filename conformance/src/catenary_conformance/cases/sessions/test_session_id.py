"""The server makes session ids that nobody can guess."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from catenary.v1.session_requests_pb2 import CreateSessionRequest
from catenary_conformance import rpcs
from catenary_conformance.requirement import requirement

if TYPE_CHECKING:
    from catenary_conformance.target import Target

_SESSIONS = 12
_RANDOM_BITS = 128


def _common_beginning(ids: list[str]) -> str:
    columns = zip(*ids, strict=False)
    return "".join(each[0] for each in itertools.takewhile(lambda column: len(set(column)) == 1, columns))


@requirement("CAT-SES-001")
def test_a_session_id_has_room_for_128_random_bits_and_shows_no_pattern(target: Target) -> None:
    ids = [rpcs.CREATE_SESSION.ok(target, CreateSessionRequest()).session_id for _ in range(_SESSIONS)]
    assert len(set(ids)) == len(ids), "two sessions have the same id"
    shared = _common_beginning(ids)
    alphabet = len(set("".join(ids)))
    bits = min(len(each) - len(shared) for each in ids) * math.log2(max(alphabet, 2))
    assert bits >= _RANDOM_BITS, f"the ids differ in {bits:.0f} bits at most; some of them: {ids[:3]}"
    numbered = sorted(ids) == ids or sorted(ids, reverse=True) == ids
    assert not numbered, "the ids rise or fall with the order in which they were made"


@requirement("CAT-SES-001")
def test_the_session_named_in_the_answer_is_the_one_that_was_made(target: Target) -> None:
    answer = rpcs.CREATE_SESSION.ok(target, CreateSessionRequest())
    assert answer.session.session_id == answer.session_id
