"""Client and command line against a real server: what only the two together can show."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from catenary_client import Client, ConfigError, PreconditionError, SessionNotFoundError, TensorError
from catenary_scenes import SceneSpec, generate_scene, write_scene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SMALL = ["data.synthetic.rows=48", "data.synthetic.cols=48"]


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server) as connected:
        yield connected


def catenary(server: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "catenary_client.cli", *arguments, "--server", server]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def documents(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_goes_on_without_its_client_and_is_taken_up_again(client: Client, server: str) -> None:
    with client.session() as session:
        overrides = [*SMALL, "training.trainer.max_epochs=4"]
        session.set_trainrun(session.resolve("trainrun", "deep_svdd", overrides))
        assert [event.status for event in session.train("statistical")][-1] == "COMPLETED"
        events = session.train("gradient")
        seen = [event.sequence for event in itertools.islice(events, 3)]
        events.close()
        with Client(server) as another:
            rest = list(another.attach(session.session_id).watch(after_sequence=seen[-1]))
    assert [*seen, *(event.sequence for event in rest)] == list(range(1, rest[-1].sequence + 1))
    assert rest[-1].status == "COMPLETED"
    assert rest[-1].message == "Training complete (4 epochs)"


def test_a_trained_pipeline_answers_in_another_session(client: Client) -> None:
    cube = np.random.default_rng(3).normal(0.3, 0.05, (1, 16, 16, 96)).astype(np.float32)
    with client.session() as session:
        session.set_trainrun(session.resolve("trainrun", "rx", SMALL))
        list(session.train("statistical"))
        saved = session.save_pipeline("client/rx")
        expected = session.infer(cube=cube)
    with client.session() as other:
        other.load_pipeline(other.resolve("pipeline", saved.pipeline_path))
        other.load_weights(saved.weights_path)
        answered = other.infer({"cube": cube})
    assert list(answered) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(answered[name], array)


def test_a_large_cube_goes_there_and_its_scores_come_back(client: Client) -> None:
    cube = np.random.default_rng(4).random((1, 300, 400, 96), dtype=np.float32)
    with client.session() as session:
        session.set_trainrun(session.resolve("trainrun", "rx", SMALL))
        list(session.train("statistical"))
        (scores,) = session.infer(cube=cube, outputs=["rx.scores"]).values()
    assert scores.shape == (1, 300, 400, 1)
    assert np.isfinite(scores).all()


def test_refusals_are_typed(client: Client) -> None:
    with client.session() as session:
        with pytest.raises(PreconditionError):
            session.infer(cube=np.zeros((1, 4, 4, 8), np.float32))
        with pytest.raises(ConfigError) as refused:
            session.resolve("trainrun", "rx", ["data.batch_size=many"])
        assert [violation.subject for violation in refused.value.violations] == ["data.batch_size"]
        session.set_trainrun(session.resolve("trainrun", "rx", SMALL))
        with pytest.raises(TensorError) as misshapen:
            session.infer(cube=np.zeros((4, 4), np.float32))
        assert misshapen.value.reason == "TENSOR_SHAPE"
        with pytest.raises(TensorError) as unknown:
            session.infer(cube=np.zeros((1, 4, 4, 96), np.float32), sonar=np.zeros(3, np.float32))
        assert unknown.value.reason == "INPUT_NAME_UNKNOWN"
    with pytest.raises(SessionNotFoundError):
        session.inputs()


def test_the_command_line_trains_infers_and_restores(server: str, tmp_path: Path) -> None:
    saved = ["--pipeline-out", "cli/rx", "--trainrun-out", "cli/run.yaml"]
    trained = catenary(server, "train", "rx", *SMALL, *saved, "--json")
    assert trained.returncode == 0, trained.stderr
    *events, pipeline, trainrun = documents(trained.stdout)
    assert events[-1]["status"] == "COMPLETED"
    assert pipeline["saved"]["weights_path"] == "cli/rx.safetensors"
    write_scene(tmp_path / "scene.npz", generate_scene(SceneSpec(seed=1, rows=24, cols=20, anomalies=3)))
    target = tmp_path / "out.npz"
    run = ["infer", str(tmp_path / "scene.npz"), "--pipeline", "cli/rx", "--outputs", "scores", "--output", str(target)]
    inferred = catenary(server, *run, "--json")
    assert inferred.returncode == 0, inferred.stderr
    assert documents(inferred.stdout)[0]["outputs"]["rx.scores"]["shape"] == [1, 24, 20, 1]
    assert np.load(target)["rx.scores"].shape == (1, 24, 20, 1)
    restored = catenary(server, "restore", trainrun["saved"]["trainrun_path"], "--mode", "validate")
    assert restored.returncode == 0, restored.stderr
    assert "val_auroc: " in restored.stdout


def test_the_facts_and_configurations_of_a_server_are_shown(server: str) -> None:
    (info,) = documents(catenary(server, "info", "--json").stdout)
    assert {"sessions", "training", "inference"} <= {capability["name"] for capability in info["capabilities"]}
    (listed,) = documents(catenary(server, "configs", "list", "trainrun", "--json").stdout)
    names = {file["path"].rpartition("/")[2] for file in listed["configs"]}
    assert {"rx", "rx_local", "lad", "deep_svdd", "channel_selector"} <= names
    (resolved,) = documents(catenary(server, "configs", "resolve", "trainrun", "rx", "--json").stdout)
    assert resolved["name"] == "rx"
    refused = catenary(server, "configs", "resolve", "trainrun", "rx", "data.no_such_key=1")
    assert refused.returncode == 1
    assert "no_such_key" in refused.stderr


def test_an_interrupt_stops_the_run_on_the_server(server: str) -> None:
    overrides = [*SMALL, "training.trainer.max_epochs=100000"]
    command = [sys.executable, "-m", "catenary_client.cli", "train", "deep_svdd", *overrides, "--server", server]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ.copy()) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("[gradient] [VALIDATE]") and not any("stopping" in said for said in lines):
                process.send_signal(signal.SIGINT)
                lines.append("stopping asked for\n")
        assert process.wait(30) == 130
    assert lines[-1].startswith("[gradient] [TRAIN] CANCELLED")
