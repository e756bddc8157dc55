"""Inputs in shared memory, against a real server with a Unix socket and two principals."""

from __future__ import annotations

import dataclasses
import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import numpy as np
import psutil
import pytest
from click.testing import CliRunner

from catenary.v1.inference_pb2 import InputBatch
from catenary.v1.inference_requests_pb2 import InferenceRequest
from catenary.v1.inference_service_pb2_grpc import InferenceServiceStub
from catenary.v1.tensor_pb2 import D_TYPE_FLOAT32, ShmRef, Tensor
from catenary_client import (
    CatenaryError,
    Client,
    LimitExceededError,
    Session,
    SessionNotFoundError,
    TensorError,
    UnsupportedError,
)
from catenary_client import shared_memory as client_memory
from catenary_client.local import local_server
from catenary_server.token_commands import tokens
from catenary_wire.errors import failure_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
SEGMENTS = Path("/dev/shm")  # noqa: S108 - where they are
PIPELINE = {"nodes": [{"name": "unit", "class_name": "PixelUnitNormalizer"}]}
CUBE = np.random.default_rng(5).random((1, 100, 100, 61), np.float32)
LENGTH = 8 << 20
MEBIBYTE = 1 << 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shared:
    """A running server that shares memory with two principals, 64 MiB in all and 32 MiB with a session."""

    socket: Path
    address: str
    pid: int
    alice: str
    bob: str

    def client(self, token: str) -> Client:
        return Client(f"unix:{self.socket}", token=token, timeout=60.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def shared(folder: Path) -> Iterator[Shared]:
    file = folder / "tokens"
    alice, bob = (new_token(file, name) for name in ("alice", "bob"))
    with tempfile.TemporaryDirectory() as short:
        socket = Path(short) / "s"
        with local_server(folder / "log", arguments(folder, socket, "--tokens", str(file))) as address:
            (child,) = [each for each in psutil.Process().children() if str(socket) in each.cmdline()]
            yield Shared(socket=socket, address=address, pid=child.pid, alice=alice, bob=bob)


def arguments(folder: Path, socket: Path, *more: str) -> list[str]:
    limits = ["--max-shared-memory", "64", "--max-shared-memory-per-session", "32"]
    roots = ["--configs", str(CONFIGS), "--artifacts", str(folder / "artifacts"), "--telemetry", str(folder / "runs")]
    return ["--unix-socket", str(socket), *limits, *roots, *more]


def new_token(file: Path, principal: str) -> str:
    result = CliRunner().invoke(tokens, ["create", "--principal", principal, "--scope", "*.*", "--append", str(file)])
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


@pytest.fixture
def client(shared: Shared) -> Iterator[Client]:
    with shared.client(shared.alice) as connected:
        yield connected


@pytest.fixture
def session(client: Client) -> Iterator[Session]:
    with client.session(shared_memory=LENGTH) as opened:
        opened.load_pipeline(PIPELINE)
        yield opened


def unit(cube: NDArray[np.float32]) -> NDArray[np.float32]:
    norm: NDArray[np.float32] = np.linalg.norm(cube, axis=-1, keepdims=True)
    return cube / norm


def segment_of(session: Session) -> Path:
    return SEGMENTS / session.get().shared_memory.name


def asked_with(shared: Shared, token: str, session_id: str, name: str, **changes: int) -> str:
    """What becomes of an inference with a handle: the reason of its failure, or nothing."""
    reference = ShmRef(name=name, byte_offset=changes.get("offset", 0), byte_size=changes.get("nbytes", CUBE.nbytes))
    inputs = InputBatch(extra_inputs={"data": Tensor(shape=CUBE.shape, dtype=D_TYPE_FLOAT32, shm_ref=reference)})
    with grpc.insecure_channel(f"unix:{shared.socket}") as channel:
        try:
            InferenceServiceStub(channel).Inference(
                InferenceRequest(session_id=session_id, inputs=inputs),
                metadata=(("authorization", f"Bearer {token}"),),
                timeout=60,
            )
        except grpc.RpcError as error:
            failure = failure_of(error)
            assert name not in failure.message
            return failure.reason
    return ""


def test_inputs_that_fit_are_read_from_shared_memory(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    placed = client_memory.SharedMemory._written

    def written(*arguments: object) -> Tensor:
        tensor = placed(*arguments)  # type: ignore[arg-type] # handed through as they came
        asked.append(tensor.shm_ref.name)
        return tensor

    monkeypatch.setattr(client_memory.SharedMemory, "_written", written)
    for number in range(1, 4):
        outputs = session.infer(data=CUBE * number)
        np.testing.assert_allclose(outputs["unit.normalized"], unit(CUBE), rtol=1e-5)
    assert asked == [segment_of(session).name] * 3
    assert segment_of(session).read_bytes()[: CUBE.nbytes] == (CUBE * 3).tobytes()


def test_inputs_that_do_not_fit_are_sent(session: Session) -> None:
    large = np.random.default_rng(6).random((1, 300, 200, 61), np.float32)
    assert large.nbytes > LENGTH
    np.testing.assert_allclose(session.infer(data=large)["unit.normalized"], unit(large), rtol=1e-5)


def test_a_handle_and_a_message_give_the_same_to_the_last_bit(client: Client, session: Session) -> None:
    with client.session() as other:
        other.load_pipeline(PIPELINE)
        sent = other.infer(data=CUBE)["unit.normalized"]
    np.testing.assert_array_equal(session.infer(data=CUBE)["unit.normalized"], sent)


def test_a_faulty_input_is_refused_with_its_reason_and_the_next_goes_well(session: Session) -> None:
    with pytest.raises(TensorError) as caught:
        session.infer(data=CUBE[0])
    assert caught.value.reason == "TENSOR_SHAPE"
    session.infer(data=CUBE)


def test_handles_lead_to_the_sessions_own_segment_only(shared: Shared, client: Client, session: Session) -> None:
    own = segment_of(session).name
    assert asked_with(shared, shared.alice, session.session_id, own) == ""
    with client.session(shared_memory=LENGTH) as other:
        foreign = segment_of(other).name
        assert asked_with(shared, shared.alice, session.session_id, foreign) == "SHM_NOT_OWNER"
    with shared.client(shared.bob) as second, second.session(shared_memory=LENGTH) as theirs:
        theirs.load_pipeline(PIPELINE)
        assert asked_with(shared, shared.bob, theirs.session_id, own) == "SHM_NOT_OWNER"
        assert asked_with(shared, shared.bob, session.session_id, own) == "SESSION_NOT_FOUND"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"offset": LENGTH - CUBE.nbytes + 1}, "SHM_RANGE"),
        ({"offset": 2**64 - 1}, "SHM_RANGE"),
        ({"nbytes": 2**64 - 1}, "SHM_RANGE"),
        ({"nbytes": CUBE.nbytes - 4}, "TENSOR_SIZE_MISMATCH"),
        ({"offset": LENGTH - CUBE.nbytes}, ""),
    ],
)
def test_ranges_are_checked(shared: Shared, session: Session, changes: dict[str, int], reason: str) -> None:
    assert asked_with(shared, shared.alice, session.session_id, segment_of(session).name, **changes) == reason


def test_a_client_that_cuts_its_segment_short_harms_itself_alone(shared: Shared, session: Session) -> None:
    name = segment_of(session).name
    os.truncate(SEGMENTS / name, 0)
    assert asked_with(shared, shared.alice, session.session_id, name) == "SHM_RANGE"
    assert psutil.Process(shared.pid).is_running()


def test_a_closed_session_has_no_segment(shared: Shared, client: Client) -> None:
    with client.session(shared_memory=LENGTH) as opened:
        opened.load_pipeline(PIPELINE)
        segment = segment_of(opened)
    assert not segment.exists()
    assert asked_with(shared, shared.alice, opened.session_id, segment.name) == "SESSION_NOT_FOUND"
    with pytest.raises(SessionNotFoundError):
        opened.infer(data=CUBE)


def test_the_port_shares_no_memory(shared: Shared) -> None:
    with Client(shared.address, token=shared.alice) as far, pytest.raises(UnsupportedError) as caught:
        far.session(shared_memory=LENGTH)
    assert caught.value.reason == "SHM_DISABLED"


def test_a_server_shares_as_much_as_its_operator_says(client: Client) -> None:
    assert client.server_info().limits.sessions.shared_memory_size_bytes == 32 * MEBIBYTE
    with client.session(shared_memory=32 * MEBIBYTE) as first, client.session(shared_memory=32 * MEBIBYTE):
        with pytest.raises(CatenaryError) as caught:
            client.session(shared_memory=32 * MEBIBYTE + 1)
        assert caught.value.reason == "FIELD_INVALID"
        first.close()
        with client.session(shared_memory=32 * MEBIBYTE):
            pass


def test_beyond_that_there_is_no_session(client: Client, shared: Shared) -> None:
    retry_free = Client(f"unix:{shared.socket}", token=shared.alice, timeout=1.0)
    with retry_free, client.session(shared_memory=32 * MEBIBYTE), client.session(shared_memory=32 * MEBIBYTE):
        before = len(client.sessions())
        with pytest.raises(LimitExceededError) as caught:
            retry_free.session(shared_memory=1)
        assert caught.value.reason == "QUOTA_MEMORY"
        assert len(client.sessions()) == before


def test_two_hundred_sessions_leave_nothing_open(shared: Shared, client: Client) -> None:
    server = psutil.Process(shared.pid)
    with client.session(shared_memory=LENGTH):
        pass
    before = server.num_fds()
    for _ in range(200):
        with client.session(shared_memory=MEBIBYTE):
            pass
    assert server.num_fds() <= before
    assert not client.sessions()


@pytest.mark.slow
def test_what_a_killed_server_left_is_removed_by_the_next(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as short:
        socket = Path(short) / "s"
        with local_server(tmp_path / "first", arguments(tmp_path, socket)):
            (child,) = [each for each in psutil.Process().children() if str(socket) in each.cmdline()]
            with Client(f"unix:{socket}", timeout=60.0) as client:
                left = segment_of(client.session(shared_memory=LENGTH))
            child.send_signal(signal.SIGKILL)
            child.wait(30)
        assert left.exists()
        with local_server(tmp_path / "second", arguments(tmp_path, socket)):
            assert not left.exists()
            with Client(f"unix:{socket}", timeout=60.0) as client:
                kept = segment_of(client.session(shared_memory=LENGTH))
                assert kept.exists()
        assert not kept.exists()
