"""Shared memory is for callers on the server's Unix socket, and ends with its session."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from catenary.v1.discovery_service_pb2 import GetServerInfoRequest
from catenary.v1.session_requests_pb2 import CloseSessionRequest, CreateSessionRequest, ListSessionsRequest
from catenary_conformance import rpcs
from catenary_conformance.requirement import requirement

if TYPE_CHECKING:
    from catenary_conformance.target import Target

_SIZE = 1 << 16
_RANDOM_BITS = 128
_FOLDER = Path("/dev/shm")  # noqa: S108 - where the contract says that segments are


def _offered(target: Target) -> bool:
    info = rpcs.GET_SERVER_INFO.ok(target, GetServerInfoRequest())
    return info.limits.sessions.shared_memory_size_bytes > 0


@pytest.fixture
def offering(near: Target) -> Target:
    """The target by a connection on which it offers shared memory."""
    if not _offered(near):
        pytest.skip("the target offers no shared memory on this connection; give its Unix socket as --near unix:PATH")
    return near


@requirement("CAT-SES-021")
def test_a_caller_who_is_offered_no_shared_memory_gets_no_session(target: Target) -> None:
    if _offered(target):
        pytest.skip("the target offers shared memory on this connection; test it by its port as well")
    label = target.unique("shm")
    request = CreateSessionRequest(shared_memory_size_bytes=_SIZE, labels={"case": label})
    rpcs.CREATE_SESSION.refused(target, request, reason="SHM_DISABLED")
    assert not rpcs.LIST_SESSIONS.ok(target, ListSessionsRequest(labels={"case": label})).sessions


@requirement("CAT-SES-022")
def test_a_segment_has_its_whole_size_and_a_name_that_nobody_can_guess(offering: Target) -> None:
    request = CreateSessionRequest(shared_memory_size_bytes=_SIZE)
    segments = [rpcs.CREATE_SESSION.ok(offering, request).session.shared_memory for _ in range(4)]
    assert len({each.name for each in segments}) == len(segments)
    alphabet = len(set("".join(each.name for each in segments)))
    for each in segments:
        assert each.size_bytes == _SIZE
        assert len(each.name) * math.log2(max(alphabet, 2)) >= _RANDOM_BITS, f"{each.name} is too short"
        file = _FOLDER / each.name
        if file.exists():  # the target may run in a container of its own
            assert file.stat().st_blocks * 512 >= _SIZE, "the memory of the segment is not there from the start"
            assert file.stat().st_mode & 0o077 == 0, "others than the owner may open the segment"


@requirement("CAT-SES-023")
def test_a_segment_ends_with_its_session(offering: Target) -> None:
    session = rpcs.CREATE_SESSION.ok(offering, CreateSessionRequest(shared_memory_size_bytes=_SIZE)).session
    file = _FOLDER / session.shared_memory.name
    if not file.exists():
        pytest.skip("the target runs on another machine or in a container of its own")
    rpcs.CLOSE_SESSION.ok(offering, CloseSessionRequest(session_id=session.session_id))
    assert not file.exists()
