"""Inputs in the shared memory of a session give what the same bytes in the message give."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from catenary.v1.discovery_service_pb2 import GetServerInfoRequest
from catenary.v1.session_requests_pb2 import CreateSessionRequest
from catenary.v1.tensor_pb2 import ShmRef, Tensor
from catenary_conformance import rpcs
from catenary_conformance.requirement import requirement

if TYPE_CHECKING:
    from catenary_conformance.cases.inference.conftest import Trained
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload

_SIZE = 1 << 20
_MAX = (1 << 64) - 1
_FOLDER = Path("/dev/shm")  # noqa: S108 - where the contract says that segments are


@pytest.fixture
def segment(near: Target, workload: Workload, own_trained: Trained) -> Path:
    """The file of a segment of the trained session."""
    info = rpcs.GET_SERVER_INFO.ok(near, GetServerInfoRequest())
    if not info.limits.sessions.shared_memory_size_bytes:
        pytest.skip("the target offers no shared memory on this connection; give its Unix socket as --near unix:PATH")
    request = CreateSessionRequest(shared_memory_size_bytes=_SIZE)
    session = rpcs.CREATE_SESSION.ok(near, request).session
    workload.configure(session.session_id)
    workload.load_weights(session.session_id)
    own_trained.session_id = session.session_id
    file = _FOLDER / session.shared_memory.name
    if not file.exists():
        pytest.skip("the target runs on another machine or in a container of its own")
    return file


def _reference(tensor: Tensor, name: str, *, offset: int = 0, size: int = -1) -> Tensor:
    found = Tensor(shape=tensor.shape, dtype=tensor.dtype)
    found.shm_ref.CopyFrom(ShmRef(name=name, byte_offset=offset, byte_size=len(tensor.raw_data) if size < 0 else size))
    return found


@requirement("CAT-INF-025")
def test_inputs_in_shared_memory_give_what_the_same_bytes_give(
    near: Target, own_trained: Trained, segment: Path
) -> None:
    tensor = own_trained.tensors()[own_trained.main_input]
    expected = own_trained.outputs()
    with segment.open("r+b") as file:
        file.write(tensor.raw_data)
    request = own_trained.spoilt(_reference(tensor, segment.name))
    assert rpcs.INFER.ok(near, request).outputs == expected
    with segment.open("r+b") as file:
        file.write(bytes(len(tensor.raw_data)))
    assert own_trained.outputs() == expected
    assert rpcs.INFER.ok(near, request).outputs != expected, "the segment was not read again"


@requirement("CAT-INF-023")
def test_a_segment_of_another_session_is_not_the_sessions(
    near: Target, workload: Workload, own_trained: Trained, segment: Path
) -> None:
    request = CreateSessionRequest(shared_memory_size_bytes=_SIZE)
    other = rpcs.CREATE_SESSION.ok(near, request).session.shared_memory.name
    tensor = own_trained.tensors()[own_trained.main_input]
    assert segment.name != other
    for name in (other, "conformance-nobody"):
        rpcs.INFER.refused(near, own_trained.spoilt(_reference(tensor, name)), reason="SHM_NOT_OWNER")
    assert workload.outputs(own_trained.session_id) == own_trained.outputs()


@requirement("CAT-INF-024")
@pytest.mark.parametrize("offset", [_SIZE, _SIZE - 1, _MAX, _MAX - _SIZE])
def test_a_range_beyond_the_segment_is_out_of_range(
    near: Target, own_trained: Trained, segment: Path, offset: int
) -> None:
    tensor = own_trained.tensors()[own_trained.main_input]
    rpcs.INFER.refused(near, own_trained.spoilt(_reference(tensor, segment.name, offset=offset)), reason="SHM_RANGE")
