from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import click
import numpy as np
import pytest
from scripted_server import TRAINRUN, cancelled_run, failed_run

from catenary_client.cli import catenary, run
from catenary_client.cli.output import jsonable
from catenary_client.cli.png import png_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scripted_server import ScriptedServer


@pytest.fixture
def cli(
    server: ScriptedServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Run a command line against the scripted server: exit status, standard output and error."""
    monkeypatch.setenv("CATENARY_SERVER", server.address)
    monkeypatch.setenv("COLUMNS", "200")

    def called(*arguments: str) -> tuple[int, str, str]:
        status = run(arguments)
        out, err = capsys.readouterr()
        return status, out, err

    return called


Cli: TypeAlias = "Callable[..., tuple[int, str, str]]"


def documents(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            if isinstance(command, click.Group):
                yield from commands(command, *path, name)
            else:
                yield (*path, name), command


OWN = {
    "command",
    "completion",
    "configs",
    "datasets",
    "infer",
    "info",
    "nodes",
    "plugins",
    "profile",
    "restore",
    "runs",
    "scenes",
    "sessions",
    "train",
    "watch",
}


def test_every_command_has_help_with_an_example() -> None:
    for path, command in commands(catenary):
        assert command.help, path
        if path[0] == "conformance":
            continue  # a program of its own, whose examples name it
        assert f"catenary {' '.join(path)}" in (command.epilog or "").replace("\\\n", ""), path


def test_every_command_prints_json_on_request() -> None:
    without = [
        path[0] for path, command in commands(catenary) if "--json" not in [o for p in command.params for o in p.opts]
    ]
    assert set(without) & OWN == {"completion"}


def test_the_facts_of_a_server_are_shown(cli: Cli) -> None:
    status, out, _ = cli("info")
    assert status == 0
    assert "scripted 1.2.3" in out
    status, out, _ = cli("info", "--json")
    assert documents(out) == [{"server_name": "scripted", "server_version": "1.2.3"}]


def test_sessions_are_listed_shown_and_closed(cli: Cli, server: ScriptedServer) -> None:
    assert cli("sessions", "list") == (0, "no sessions\n", "")
    server.sessions |= {"a", "b", "c"}
    assert [found["session_id"] for found in documents(cli("sessions", "list", "--json")[1])[0]["sessions"]] == [
        "a",
        "b",
        "c",
    ]
    assert "READY" in cli("sessions", "show", "a")[1]
    assert cli("sessions", "close", "a", "b") == (0, "closed a\nclosed b\n", "")
    assert server.sessions == {"c"}


def test_configurations_are_listed_and_names_are_no_markup(cli: Cli, server: ScriptedServer) -> None:
    status, out, _ = cli("configs", "list", "trainrun")
    assert status == 0
    assert "trainrun/[rx].yaml" in out
    assert server.sessions == set()


def test_a_configuration_is_resolved_with_overrides_of_both_forms(cli: Cli, server: ScriptedServer) -> None:
    status, out, _ = cli("configs", "resolve", "trainrun", "rx", "a.b=1", "--override", "c=2", "~d", "--json")
    assert status == 0
    assert documents(out) == [TRAINRUN]
    assert list(server.requests["ResolveConfig"][0].overrides) == ["a.b=1", "~d", "c=2"]


def test_what_is_no_override_is_refused_here(cli: Cli, server: ScriptedServer) -> None:
    status, _, err = cli("configs", "resolve", "trainrun", "rx", "oops")
    assert status == 2
    assert "oops is no override" in err
    assert "ResolveConfig" not in server.names()


def test_a_configuration_is_checked(cli: Cli, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text("{}")
    bad.write_text("{")
    assert cli("configs", "validate", "training", str(good)) == (0, "valid\n", "")
    assert cli("configs", "validate", "training", str(bad)) == (1, "error: : is no JSON\nnot valid\n", "")
    assert documents(cli("configs", "schema", "training", "--json")[1]) == [{"type": "object"}]


def test_a_train_run_is_trained_and_saved(cli: Cli, server: ScriptedServer) -> None:
    status, out, _ = cli("train", "rx", "a=1", "--pipeline-out", "p", "--trainrun-out", "t.yaml")
    assert status == 0
    assert "[statistical] [TRAIN] IN_PROGRESS | message=Initializing node" in out
    assert "[gradient] [TRAIN] COMPLETED | message=Training complete (4 epochs)" in out
    assert "Pipeline saved: p.yaml\nWeights saved: p.safetensors\nTrainrun config saved: t.yaml" in out
    assert [request.trainer_type for request in server.requests["Train"]] == [1, 2]
    assert server.sessions == set()


def test_training_prints_one_json_document_for_each_event(cli: Cli) -> None:
    status, out, _ = cli("train", "rx", "--phase", "gradient", "--json", "--keep-session")
    *events, kept = documents(out)
    assert status == 0
    assert [(one["label"], one["sequence"], one["status"]) for one in events][-1] == ("gradient", 4, "COMPLETED")
    assert events[1]["losses"] == {"svdd_loss": 0.5}
    assert kept == {"session_id": "session-1"}


def test_a_failed_run_ends_with_status_one(cli: Cli, server: ScriptedServer) -> None:
    server.run = failed_run()
    status, _, err = cli("train", "rx")
    assert status == 1
    assert err == "error: NON_FINITE_LOSS: lower the learning rate\n"
    assert server.sessions == set()


def test_a_cancelled_run_saves_nothing(cli: Cli, server: ScriptedServer) -> None:
    server.run = cancelled_run()
    assert cli("train", "rx", "--pipeline-out", "p")[0] == 130
    assert "SavePipeline" not in server.names()


def test_a_refusal_is_printed_with_its_violations(cli: Cli, server: ScriptedServer) -> None:
    server.fail_next("ResolveConfig", "CONFIG_NOT_FOUND")
    status, out, err = cli("train", "nothing")
    assert (status, out, err) == (1, "", "error: CONFIG_NOT_FOUND: as scripted\n")
    server.fail_next("ResolveConfig", "CONFIG_NOT_FOUND")
    status, out, err = cli("train", "nothing", "--json")
    assert (status, err) == (1, "")
    assert documents(out)[0]["error"]["reason"] == "CONFIG_NOT_FOUND"


def test_without_a_server_the_status_says_so(cli: Cli) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        status, _, err = cli("info", "--no-retry", "--server", address)
    assert status == 3
    assert "catenary serve" in err


@pytest.mark.parametrize("arguments", [["no-such-command"], ["info", "--no-such-option"], ["train"]])
def test_wrong_usage_has_a_status_of_its_own(cli: Cli, arguments: list[str]) -> None:
    assert cli(*arguments)[0] == 2


def test_a_saved_train_run_is_shown_measured_and_trained_on(cli: Cli, server: ScriptedServer) -> None:
    status, out, _ = cli("restore", "run.yaml")
    assert status == 0
    assert "scripted pipeline, 1 nodes" in out
    assert "weights.safetensors" in out
    status, out, _ = cli("restore", "run.yaml", "--mode", "validate")
    assert status == 0
    assert out.endswith("val_iou: 0.7500\n")
    status, out, _ = cli("restore", "run.yaml", "--mode", "train", "--pipeline-out", "longer")
    assert status == 0
    assert [request.trainer_type for request in server.requests["Train"]] == [2]
    assert "longer.safetensors" in out


def test_scenes_are_generated_and_shown(cli: Cli, tmp_path: Path) -> None:
    scene, picture = tmp_path / "scene.npz", tmp_path / "scene.png"
    size = ["--rows", "24", "--cols", "16", "--bands", "8", "--anomalies", "2"]
    assert cli("scenes", "generate", str(scene), *size)[0] == 0
    status, out, _ = cli("scenes", "show", str(scene), "--png", str(picture), "--json")
    assert status == 0
    assert documents(out)[0]["shape"] == [24, 16, 8]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "24 x 16 pixels, 8 bands, 400 to 1000 nm" in cli("scenes", "show", str(scene))[1]


def test_a_missing_scene_is_wrong_usage(cli: Cli, tmp_path: Path) -> None:
    status, _, err = cli("scenes", "show", str(tmp_path / "none.npz"))
    assert status == 2
    assert "there is no file" in err


def test_a_pipeline_runs_on_a_scene_file(cli: Cli, server: ScriptedServer, tmp_path: Path) -> None:
    cube = np.random.default_rng(0).random((4, 5, 3), dtype=np.float32)
    np.savez(tmp_path / "scene.npz", cube=cube)
    arguments = ["infer", str(tmp_path / "scene.npz"), "--pipeline", "p.yaml", "--output", str(tmp_path / "out.npz")]
    status, out, _ = cli(*arguments, "--json")
    assert status == 0
    (document,) = documents(out)
    assert document["outputs"]["node.cube"]["shape"] == [1, 4, 5, 3]
    assert document["metrics"] == {"node.count": 3.0}
    np.testing.assert_array_equal(np.load(tmp_path / "out.npz")["node.cube"], cube[None])
    assert server.requests["LoadPipelineWeights"][0].weights_path == "p.safetensors"
    assert server.sessions == set()
    status, out, _ = cli("infer", str(tmp_path / "scene.npz"), "--session", "mine")
    assert status == 0
    assert out.endswith("Processed 1 measurements\n")
    assert server.requests["Inference"][1].session_id == "mine"


def test_inference_needs_a_pipeline_or_a_session(cli: Cli, tmp_path: Path) -> None:
    status, _, err = cli("infer", str(tmp_path / "scene.npz"))
    assert status == 2
    assert "--pipeline or --session" in err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_learns_the_commands(cli: Cli, shell: str) -> None:
    status, out, _ = cli("completion", shell)
    assert status == 0
    assert "_CATENARY_COMPLETE" in out


def test_a_shell_is_told_what_may_come_next(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_CATENARY_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "catenary sess")
    monkeypatch.setenv("COMP_CWORD", "1")
    with pytest.raises(SystemExit):
        cli()


def test_the_server_adds_a_command() -> None:
    assert "serve" in {path[0] for path, _ in commands(catenary)}


def test_the_first_interrupt_stops_the_run(server: ScriptedServer) -> None:
    server.hold_run_at = 2
    command = [sys.executable, "-m", "catenary_client.cli", "train", "rx", "--server", server.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ.copy()) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "svdd_loss" in line:
                process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert "stopping after this batch; interrupt again to leave at once\n" in lines
    assert lines[-1] == "[statistical] [TRAIN] CANCELLED\n"
    assert server.sessions == set()


def test_numbers_that_json_lacks_are_null() -> None:
    assert jsonable({"a": [float("nan"), np.float32(0.5), np.int64(3)]}) == {"a": [None, 0.5, 3]}


def test_a_picture_is_a_png_that_others_read() -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow reads the picture back")
    import io  # noqa: PLC0415 - only here

    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(image.open(io.BytesIO(png_bytes(picture)))), picture)
