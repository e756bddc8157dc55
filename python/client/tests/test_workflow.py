from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from catenary.v1.discovery_service_pb2 import GetServerInfoRequest
from catenary.v1.training_pb2 import TRAINER_TYPE_STATISTICAL, Context, TrainResponse
from catenary.v1.training_requests_pb2 import TrainRequest
from catenary_client import workflow
from catenary_client.workflow import CatenaryStub, build_stub
from catenary_wire import names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scripted_server import ScriptedServer


@pytest.fixture
def stub(server: ScriptedServer) -> Iterator[CatenaryStub]:
    made = build_stub(server.address)
    yield made
    made.channel.close()


def test_the_stub_has_every_rpc(stub: CatenaryStub) -> None:
    rpcs = [method.name for service in names.services() for method in service.methods]
    assert [name for name in rpcs if not callable(getattr(stub, name))] == []


def test_a_session_is_created_with_the_paths_given(stub: CatenaryStub, server: ScriptedServer) -> None:
    session_id = workflow.create_session_with_search_paths(stub, ["a", "b"])
    assert session_id in server.sessions
    (request,) = server.requests["SetSessionSearchPaths"]
    assert (list(request.search_paths), request.append) == (["a", "b"], False)


def test_a_train_run_is_found_by_its_name_or_absolute_path(stub: CatenaryStub, server: ScriptedServer) -> None:
    response, config = workflow.resolve_trainrun_config(stub, "s", "rx", overrides=["data.batch_size=8"])
    assert config["name"] == "scripted"
    assert b'"scripted"' in response.config_bytes
    workflow.resolve_trainrun_config(stub, "s", "/roots/rx.yaml")
    first, second = server.requests["ResolveConfig"]
    assert (first.path, list(first.overrides), first.config_type) == ("trainrun/rx", ["data.batch_size=8"], "trainrun")
    assert second.path == "/roots/rx.yaml"


def test_a_configuration_is_applied_as_it_was_resolved(stub: CatenaryStub, server: ScriptedServer) -> None:
    assert workflow.apply_trainrun_config(stub, "s", b"{}").pipeline_from_config
    assert server.requests["SetTrainRunConfig"][0].config.config_bytes == b"{}"


def test_progress_is_printed_as_the_tutorial_shows(stub: CatenaryStub) -> None:
    lines = [
        workflow.format_progress(progress)
        for progress in stub.Train(TrainRequest(session_id="s", trainer_type=TRAINER_TYPE_STATISTICAL))
    ]
    assert lines == [
        "[TRAIN] IN_PROGRESS | message=Initializing node",
        "[TRAIN] IN_PROGRESS | losses={'svdd_loss': 0.5} | metrics={'iou': 0.25}",
        "[TRAIN] IN_PROGRESS | losses={'svdd_loss': 0.25}",
        "[TRAIN] COMPLETED | message=Training complete (4 epochs)",
    ]


def test_a_stage_of_a_newer_server_is_printed_by_its_number() -> None:
    context = Context.FromString(b"\x08\x63")
    assert workflow.format_progress(TrainResponse(context=context)) == "[99] UNSPECIFIED"


def test_search_paths_are_those_of_the_nearest_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(workflow.CONFIGS_ENVIRONMENT, raising=False)
    (tmp_path / "configs" / "trainrun").mkdir(parents=True)
    (tmp_path / "configs" / "data").mkdir()
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    configs = tmp_path / "configs"
    expected = [str(configs), str(configs / "trainrun"), str(configs / "data")]
    assert workflow.config_search_paths() == expected
    assert workflow.config_search_paths(extra_paths=["mine"]) == [str(tmp_path / "below" / "mine"), *expected]


def test_the_environment_names_the_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(workflow.CONFIGS_ENVIRONMENT, str(tmp_path))
    assert workflow.config_search_paths() == [str(tmp_path)]


def test_a_refusal_ends_a_program_with_a_message(
    stub: CatenaryStub, server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.fail_next("GetServerInfo", "RATE_LIMITED")
    with pytest.raises(SystemExit) as left, workflow.failures_explained():
        stub.GetServerInfo(GetServerInfoRequest())
    assert left.value.code == 1
    assert capsys.readouterr().err == "error: RATE_LIMITED: as scripted\n"


def test_without_a_server_a_program_ends_with_a_status_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        stub = build_stub(f"127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(SystemExit) as left, workflow.failures_explained():
            stub.GetServerInfo(GetServerInfoRequest())
        stub.channel.close()
    assert left.value.code == 3
    assert "catenary serve" in capsys.readouterr().err
