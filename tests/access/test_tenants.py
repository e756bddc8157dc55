"""Two principals on one server see nothing of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest
from google.protobuf.message_factory import GetMessageClass

from catenary_client import NO_RETRY, CatenaryError, LimitExceededError, NotFoundError, SessionNotFoundError
from catenary_client.connection import channel_options
from catenary_wire import names
from catenary_wire.errors import failure_of

if TYPE_CHECKING:
    from pathlib import Path

    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.message import Message
    from secured_server import SecuredServer

SMALL = ["data.synthetic.rows=32", "data.synthetic.cols=32"]
LEAST: dict[str, dict[str, object]] = {
    "ResolveConfig": {"config_type": "data", "path": "x"},
    "LoadPipeline": {"pipeline": {"config_bytes": b"{}"}},
    "LoadPipelineWeights": {"weights_path": "x"},
    "SavePipeline": {"pipeline_path": "x"},
    "SetTrainRunConfig": {"config": {"config_bytes": b"{}"}},
    "Train": {"trainer_type": 1},
    "Evaluate": {"stage": 3},
    "SaveTrainRun": {"trainrun_path": "x"},
    "RestoreTrainRun": {"trainrun_path": "x"},
    "LoadPlugin": {"manifest": {"config_bytes": b"{}"}},
    "GetPluginInfo": {"plugin_name": "x"},
    "SetProfiling": {"enabled": True},
    "InferenceChunked": {"header": {"tensors": [{"name": "cube", "dtype": 1, "shape": [1], "size_bytes": 4}]}},
}
"""What passes the field rules of an RPC, beside its session."""


def naming_sessions() -> list[str]:
    """Every RPC of the main contract whose request, or the first of its stream, names a session."""
    services = [service for service in names.services() if service.full_name.startswith("catenary.v1.")]
    methods = [method for service in services for method in service.methods]
    return [names.path_of(each) for each in methods if _holder(GetMessageClass(each.input_type)()) is not None]


def _holder(message: Message) -> Message | None:
    """The part of a message that names a session: itself, or one of its parts."""
    if "session_id" in message.DESCRIPTOR.fields_by_name:
        return message
    for field in message.DESCRIPTOR.fields:
        part = field.message_type
        if part is not None and "session_id" in part.fields_by_name and not field.is_repeated:
            held: Message = getattr(message, field.name)
            held.SetInParent()
            return held
    return None


def told(server: SecuredServer, token: str, method: MethodDescriptor, session_id: str) -> tuple[grpc.StatusCode, str]:
    """Code and reason that a call with this session is answered."""
    request = GetMessageClass(method.input_type)(**LEAST.get(method.name, {}))
    holder = _holder(request)
    assert holder is not None
    holder.session_id = session_id  # type: ignore[attr-defined] # built from descriptors
    options = channel_options(1 << 20)
    metadata = (("authorization", f"Bearer {token}"),)
    with grpc.secure_channel(server.address, grpc.ssl_channel_credentials(server.ca.read_bytes()), options) as channel:
        kinds: dict[tuple[bool, bool], Any] = {
            (False, False): channel.unary_unary,
            (False, True): channel.unary_stream,
            (True, False): channel.stream_unary,
            (True, True): channel.stream_stream,
        }
        call = kinds[method.client_streaming, method.server_streaming](names.path_of(method))
        raw = request.SerializeToString()
        try:
            answer = call(iter([raw]) if method.client_streaming else raw, metadata=metadata, timeout=60)
            if method.server_streaming:
                return grpc.StatusCode.OK, b"".join(answer).hex()
        except grpc.RpcError as error:
            return error.code(), failure_of(error).reason
        return grpc.StatusCode.OK, bytes(answer).hex()


@pytest.mark.parametrize("path", naming_sessions())
def test_the_session_of_another_is_not_found(secured: SecuredServer, path: str) -> None:
    method = next(each for service in names.services() for each in service.methods if names.path_of(each) == path)
    with secured.client(secured.alice) as alice, alice.session() as session:
        outcome = told(secured, secured.bob, method, session.session_id)
        unknown = told(secured, secured.bob, method, "A" * len(session.session_id))
        assert outcome == unknown
        assert outcome in {
            (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND"),
            (grpc.StatusCode.UNIMPLEMENTED, "FEATURE_DISABLED"),
        } or (method.name == "StreamInference" and outcome[0] is grpc.StatusCode.OK), outcome
        assert session.get().session_id == session.session_id


def test_sessions_are_listed_to_their_owner_only(secured: SecuredServer) -> None:
    with secured.client(secured.alice) as alice, secured.client(secured.bob) as bob, alice.session() as session:
        assert [each.session_id for each in alice.sessions()] == [session.session_id]
        assert bob.sessions() == []
        assert bob.server_info().limits.sessions.principal.used == 0
        assert alice.server_info().limits.sessions.principal.used == 1


def test_what_one_saves_another_cannot_read_nor_overwrite(secured: SecuredServer) -> None:
    with secured.client(secured.alice) as alice, secured.client(secured.bob) as bob:
        with alice.session() as session:
            saved = _saved(session, "deep_svdd")
            content = _file(secured, saved).read_bytes()
        with bob.session() as session:
            with pytest.raises(NotFoundError):
                session.resolve("pipeline", saved.pipeline_path)
            session.set_trainrun(session.resolve("trainrun", "rx", SMALL))
            with pytest.raises(NotFoundError):
                session.load_weights(saved.weights_path)
            assert session.save_pipeline("model").pipeline_path == saved.pipeline_path
        with alice.session() as session:
            assert _file(secured, saved).read_bytes() == content
    areas = [path.name for path in (secured.artifacts / ".catenary-principals").iterdir()]
    assert sorted(name.split("-")[0] for name in areas) == ["alice", "bob"]


def _saved(session: Any, trainrun: str) -> Any:
    session.set_trainrun(session.resolve("trainrun", trainrun, SMALL))
    return session.save_pipeline("model")


def _file(server: SecuredServer, saved: Any) -> Any:
    (area,) = (server.artifacts / ".catenary-principals").glob("alice-*")
    return area / saved.pipeline_path


def test_datasets_and_pipelines_are_their_owners_alone(secured: SecuredServer, tmp_path: Path) -> None:
    scene = tmp_path / "scene.npy"
    np.save(scene, np.zeros((4, 4, 3), np.float32))
    with secured.client(secured.alice) as alice, secured.client(secured.bob) as bob:
        with alice.session() as session:
            session.set_trainrun(session.resolve("trainrun", "rx", SMALL))
            saved = session.save_pipeline("private")
        dataset = alice.upload_dataset(scene, name="mine")
        assert [each.dataset_id for each in alice.datasets()] == [dataset.dataset_id]
        assert bob.datasets() == []
        with pytest.raises(NotFoundError):
            bob.dataset(dataset.dataset_id)
        with pytest.raises(NotFoundError):
            bob.delete_dataset(dataset.dataset_id)
        with pytest.raises(NotFoundError):
            bob.download_pipeline(saved.pipeline_path, tmp_path)
        alice.download_pipeline(saved.pipeline_path, tmp_path)
        with bob.session() as session:
            session.set_trainrun(session.resolve("trainrun", "rx", ["data=file", f"data.path={dataset.path}"]))
            with pytest.raises(CatenaryError) as missing:
                list(session.train("statistical"))
        assert missing.value.reason == "DATASET_NOT_FOUND"
        assert alice.dataset(dataset.dataset_id).dataset_id == dataset.dataset_id


def test_one_principal_cannot_take_every_session(secured: SecuredServer) -> None:
    with secured.client(secured.alice) as alice:
        held = [alice.session() for _ in range(3)]
        with secured.client(secured.alice, retry=NO_RETRY) as hasty, pytest.raises(LimitExceededError) as full:
            hasty.session()
        assert full.value.reason == "QUOTA_SESSIONS"
        with secured.client(secured.bob) as bob, bob.session() as session:
            assert session.session_id
        for each in held:
            each.close()


def test_a_session_that_is_closed_is_closed_to_its_owner_only(secured: SecuredServer) -> None:
    with secured.client(secured.alice) as alice, secured.client(secured.bob) as bob:
        session = alice.session()
        with pytest.raises(SessionNotFoundError):
            bob.attach(session.session_id).close()
        session.close()
        session.close()
        with pytest.raises(SessionNotFoundError):
            bob.attach(session.session_id).close()
