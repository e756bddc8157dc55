from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

import grpc
import numpy as np
import pytest
from scripted_server import HANG, LOST, TRAINRUN

import catenary_client
from catenary_client import (
    NO_RETRY,
    AsyncClient,
    BusyError,
    Client,
    ConfigError,
    ConnectionFailedError,
    DeadlineError,
    LimitExceededError,
    RetryPolicy,
    SessionNotFoundError,
    UnavailableError,
)
from catenary_client.calls import Rpc, may_retry
from catenary_wire.errors import Failure, Violation
from catenary_wire.reasons import Retry

if TYPE_CHECKING:
    from scripted_server import ScriptedServer


def test_a_session_ends_with_its_block(client: Client, server: ScriptedServer) -> None:
    with client.session(device="cpu", labels={"who": "me"}, idle_timeout=90.5) as session:
        assert server.sessions == {session.session_id}
    assert server.sessions == set()
    (request,) = server.requests["CreateSession"]
    assert (request.device, dict(request.labels)) == ("cpu", {"who": "me"})
    assert request.idle_timeout.ToTimedelta().total_seconds() == 90.5


def test_search_paths_are_replaced_or_appended(client: Client, server: ScriptedServer) -> None:
    with client.session(search_paths=["a", "b"]) as session:
        found = session.set_search_paths(["c"], append=True)
    assert found.current == ("c",)
    assert [request.append for request in server.requests["SetSessionSearchPaths"]] == [False, True]


def test_a_train_run_is_resolved_set_and_saved(client: Client, server: ScriptedServer) -> None:
    with client.session() as session:
        resolved = session.resolve("trainrun", "rx", ["data.batch_size=8"])
        assert (resolved.name, resolved.values, resolved.source_files) == ("scripted", TRAINRUN, ("rx",))
        assert session.set_trainrun(resolved) is True
        session.set_trainrun({"name": "as mapping"})
        saved = session.save_pipeline("out")
        assert (saved.pipeline_path, saved.weights_path) == ("out.yaml", "out.safetensors")
        assert session.save_trainrun("run.yaml", save_weights=True).trainrun_path == "run.yaml"
    assert server.requests["ResolveConfig"][0].overrides == ["data.batch_size=8"]
    contents = [request.config.config_bytes for request in server.requests["SetTrainRunConfig"]]
    assert contents == [resolved.content, b'{"name":"as mapping"}']


def test_a_pipeline_is_loaded_with_weights_from_a_path_or_from_bytes(client: Client, server: ScriptedServer) -> None:
    with client.session() as session:
        session.load_pipeline(session.resolve("pipeline", "out"))
        assert session.load_weights("out.safetensors").resolved_path == "out.safetensors"
        assert session.load_weights(b"content", strict=False).resolved_path == "(client-bytes)"
        assert str(session.inputs()["cube"]) == "cube: float32 [-1, -1, -1, 3]"
        assert list(session.outputs()) == ["cube"]
    assert server.requests["LoadPipelineWeights"][1].strict is False


def test_arrays_go_to_the_port_of_their_name_and_come_back(client: Client, server: ScriptedServer) -> None:
    cube = np.arange(24, dtype=np.float32).reshape(1, 2, 4, 3)
    extra = np.array([True, False])
    with client.session() as session:
        outputs = session.infer({"cube": cube}, outputs=["x.y"], text_prompt="ship", gate=extra)
    np.testing.assert_array_equal(outputs["node.cube"], cube)
    np.testing.assert_array_equal(outputs["node.gate"], extra)
    assert outputs.metrics == {"node.count": 3.0}
    (request,) = server.requests["Inference"]
    assert (list(request.output_specs), request.inputs.text_prompt) == (["x.y"], "ship")


def test_an_array_that_cannot_be_sent_is_refused_here(client: Client, server: ScriptedServer) -> None:
    with client.session() as session, pytest.raises(TypeError, match="complex64"):
        session.infer(cube=np.zeros(3, np.complex64))
    assert "Inference" not in server.names()


def test_lists_are_followed_to_their_last_page(client: Client) -> None:
    opened = [client.session().session_id for _ in range(5)]
    assert [session.session_id for session in client.sessions()] == opened


def test_a_configuration_is_checked_and_described(client: Client) -> None:
    assert client.validate_config("training", {}).valid
    assert client.validate_config("training", b"{").errors == (": is no JSON",)
    assert client.config_schema("training") == {"type": "object"}


def test_a_restored_train_run_is_a_session(client: Client, server: ScriptedServer) -> None:
    with client.restore("run.yaml") as restored:
        assert restored.session_id == "restored"
    with client.session() as session:
        result = session.restore("run.yaml", weights_path="w", strict=False)
    assert (result.weights_restored, result.weights_path) == (True, "weights.safetensors")
    first, second = server.requests["RestoreTrainRun"]
    assert not first.HasField("weights_path")
    assert (second.weights_path, second.strict) == ("w", False)


def test_a_refusal_is_an_exception_with_its_facts(client: Client, server: ScriptedServer) -> None:
    server.fail_next("ResolveConfig", "CONFIG_INVALID", violations=[Violation("a.b", "is wrong")])
    with client.session() as session, pytest.raises(ConfigError) as caught:
        session.resolve("trainrun", "rx")
    assert caught.value.violations == (Violation("a.b", "is wrong"),)
    assert caught.value.method == "/catenary.v1.ConfigService/ResolveConfig"
    assert len(server.requests["ResolveConfig"]) == 1


@pytest.mark.parametrize("reason", ["QUOTA_SESSIONS", "DRAINING", LOST])
def test_a_call_that_may_succeed_later_is_sent_again_under_the_same_id(
    client: Client, server: ScriptedServer, caplog: pytest.LogCaptureFixture, reason: str
) -> None:
    details = {} if reason == LOST else {"retry_after": 0.001}
    server.fail_next("CreateSession", reason, reason, **details)
    with caplog.at_level(logging.WARNING, "catenary_client"):
        client.session()
    ids = [request.request_id for request in server.requests["CreateSession"]]
    assert len(ids) == 3
    assert len(set(ids)) == 1
    assert ids[0]
    assert "CreateSession failed with" in caplog.text
    assert "attempt 2 of 3" in caplog.text


def test_two_calls_have_two_ids(client: Client, server: ScriptedServer) -> None:
    client.session()
    client.session()
    first, second = server.requests["CreateSession"]
    assert first.request_id != second.request_id


def test_attempts_are_counted(client: Client, server: ScriptedServer) -> None:
    server.fail_next("CreateSession", *["QUOTA_SESSIONS"] * 9, retry_after=0.001)
    with pytest.raises(LimitExceededError):
        client.session()
    assert len(server.requests["CreateSession"]) == 3


def test_with_retries_off_a_call_is_sent_once(server: ScriptedServer) -> None:
    server.fail_next("CreateSession", "DRAINING", retry_after=0.001)
    with Client(server.address, retry=NO_RETRY) as client, pytest.raises(UnavailableError):
        client.session()
    assert len(server.requests["CreateSession"]) == 1


def test_a_delay_that_passes_the_deadline_is_not_waited_for(server: ScriptedServer) -> None:
    server.fail_next("GetSession", "SESSION_BUSY", retry_after=3600.0)
    with Client(server.address, timeout=20.0) as client, pytest.raises(BusyError) as caught:
        client.attach("s").get()
    assert caught.value.retry_after == 3600.0


@pytest.mark.parametrize(
    ("retry", "idempotent", "allowed"),
    [
        (Retry.NEVER, True, False),
        (Retry.AFTER_DELAY, False, True),
        (Retry.SAME_REQUEST_ID, True, True),
        (Retry.SAME_REQUEST_ID, False, False),
    ],
)
def test_what_may_have_had_its_effect_is_only_sent_again_where_that_is_safe(
    *, retry: Retry, idempotent: bool, allowed: bool
) -> None:
    failure = Failure(reason="X", code=grpc.StatusCode.UNAVAILABLE, message="", retry=retry)
    assert may_retry(Rpc("/s/M", idempotent), failure) is allowed


def test_a_call_ends_at_its_deadline(server: ScriptedServer) -> None:
    server.fail_next("GetServerInfo", HANG)
    with Client(server.address, timeout=0.2) as client, pytest.raises(DeadlineError):
        client.server_info()


def test_a_missing_server_is_explained() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        policy = RetryPolicy(attempts=2, initial_seconds=0.001)
        with Client(address, retry=policy) as client, pytest.raises(ConnectionFailedError) as caught:
            client.server_info()
    assert f"cannot reach a server at {address}" in str(caught.value)
    assert "catenary serve" in str(caught.value)


def test_a_token_goes_with_every_call(server: ScriptedServer) -> None:
    with Client(server.address, token="secret") as client, client.session() as session:  # noqa: S106 - a test's
        list(session.train("statistical"))
        session.infer(cube=np.zeros(3, np.float32))
    assert {metadata["authorization"] for metadata in server.metadata} == {"Bearer secret"}


def test_the_facts_of_a_server_are_asked_for(client: Client) -> None:
    assert client.server_info().server_name == "scripted"


def test_an_unknown_session_is_an_error_of_its_own(client: Client, server: ScriptedServer) -> None:
    server.fail_next("GetSession", "SESSION_NOT_FOUND")
    with pytest.raises(SessionNotFoundError):
        client.attach("gone").get()


def test_closing_twice_is_no_failure(server: ScriptedServer) -> None:
    client = Client(server.address)
    client.close()
    client.close()


async def test_the_core_is_for_asyncio(server: ScriptedServer) -> None:
    async with AsyncClient(server.address) as client, await client.create_session() as session:
        events = [event async for event in session.train("gradient")]
        outputs = await session.infer(cube=np.ones((1, 1, 1, 3), np.float32))
    assert events[-1].status == "COMPLETED"
    assert outputs["node.cube"].shape == (1, 1, 1, 3)
    assert server.sessions == set()


def test_public_names_change_on_purpose_only() -> None:
    assert catenary_client.__all__ == [
        "NO_RETRY", "AlreadyExistsError", "AsyncClient", "AsyncSession", "AuthenticationError", "BusyError",
        "CatenaryError", "Client", "CommandOutcome", "ConfigCheck", "ConfigError", "ConnectionFailedError",
        "DataLossError", "DeadlineError", "DownloadedPipeline", "InferenceOutputs", "InsecureTokenError",
        "InvalidRequestError", "LimitExceededError", "LoadedWeights", "MessageTooLargeError", "MetricSeries",
        "NodeParameter", "NodePort", "NodeTimes", "NodeType", "NotFoundError", "PermissionDeniedError", "Phase",
        "Plugin", "PortSpec", "PreconditionError", "ResolvedConfig", "RestoredTrainRun", "RetryPolicy", "RunEvent",
        "RunFailedError", "SavedPipeline", "SavedTrainRun", "SearchPaths", "ServerFaultError", "Session",
        "SessionNotFoundError", "Split", "StreamedInference", "TelemetryRun", "TensorError", "TrainProgress",
        "UnavailableError", "UnsupportedError", "UploadProgress", "tls_credentials",
    ]  # fmt: skip
    public = sorted(name for name in dir(catenary_client.Session) if not name.startswith("_"))
    assert public == [
        "close", "configs", "draw", "evaluate", "get", "infer", "infer_chunked", "infer_stream", "inputs",
        "load_pipeline", "load_plugin", "load_weights", "nodes", "outputs", "plugin", "plugins", "profile", "resolve",
        "restore", "save_pipeline", "save_trainrun", "session_id", "set_profiling", "set_search_paths", "set_trainrun",
        "stop", "train", "train_status", "watch",
    ]  # fmt: skip


def test_the_blocking_session_offers_what_the_asynchronous_one_does() -> None:
    asynchronous = {name for name in dir(catenary_client.AsyncSession) if not name.startswith("_")}
    assert {name for name in dir(catenary_client.Session) if not name.startswith("_")} - asynchronous == {"session_id"}
    assert asynchronous <= set(dir(catenary_client.Session))
    assert catenary_client.Session.train.__doc__ == catenary_client.AsyncSession.train.__doc__
