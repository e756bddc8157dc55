"""The example programs against a real server, with what the tutorial says they print."""

from __future__ import annotations

import dataclasses
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from catenary_scenes import SceneSpec, generate_scene, write_scene

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "grpc"
PROGRAMS = sorted(path.name for path in EXAMPLES.glob("*.py"))
SMALL = ["--override", "data.synthetic.rows=48", "--override", "data.synthetic.cols=48"]
FAST = [*SMALL, "--override", "training.trainer.max_epochs=2"]


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a program ended."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def matching(self, pattern: str) -> list[str]:
        """Lines that are of a pattern from end to end."""
        return [line for line in self.lines if re.fullmatch(pattern, line)]


def call(program: str, *arguments: str | Path, server: str) -> Ended:
    """Run an example program to its end."""
    command = [sys.executable, str(EXAMPLES / program), "--server-address", server, *map(str, arguments)]
    environment = os.environ | {"PYTHONWARNINGS": "error", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=100)
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def example(server: str) -> Callable[..., Ended]:
    """Run an example program that succeeds."""

    def run(program: str, *arguments: str | Path) -> Ended:
        ended = call(program, *arguments, server=server)
        assert ended.status == 0, ended.err
        assert ended.err == ""
        return ended

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where this process saves on the server: artifacts outlive a module."""
    return f"examples/{tmp_path_factory.getbasetemp().name}"


@pytest.fixture(scope="module")
def trained(example: Callable[..., Ended], folder: str) -> Ended:
    """The whole way, once for all tests of this module."""
    return example(
        "complete_workflow_client.py",
        *["--trainrun", "deep_svdd", *FAST],
        *["--pipeline-out", f"{folder}/trained_pipeline.yaml", "--trainrun-out", f"{folder}/trainrun_config.yaml"],
    )


@pytest.fixture(scope="module")
def selector(example: Callable[..., Ended], folder: str) -> Ended:
    """A trained channel selector, whose node 10 writes pictures."""
    pipeline = f"{folder}/channel_selector.yaml"
    return example("gradient_training_client.py", "--trainrun", "channel_selector", *FAST, "--pipeline-out", pipeline)


@pytest.fixture(scope="module", params=[".npz", ".mat", ".hdr"])
def scene_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene on the client's side, in each format that needs no SDK."""
    path = tmp_path_factory.mktemp("scene") / f"scene{request.param}"
    write_scene(path, generate_scene(SceneSpec(seed=1, rows=24, cols=20, anomalies=3)))
    return path


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene on the client's side."""
    path = tmp_path_factory.mktemp("scene") / "scene.npz"
    write_scene(path, generate_scene(SceneSpec(seed=1, rows=24, cols=20, anomalies=3)))
    return path


def test_the_examples_are_those_of_the_tutorial() -> None:
    assert PROGRAMS == [
        "complete_workflow_client.py",
        "gradient_training_client.py",
        "restore_trainrun_grpc.py",
        "run_inference.py",
        "statistical_training_client.py",
    ]


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_example_explains_its_flags(program: str) -> None:
    shown = subprocess.run([sys.executable, EXAMPLES / program, "--help"], capture_output=True, text=True, check=True)
    assert "--override" in shown.stdout
    assert "--server-address" in shown.stdout


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("complete_workflow_client.py", []),
        ("statistical_training_client.py", []),
        ("gradient_training_client.py", []),
        ("restore_trainrun_grpc.py", ["--trainrun-path", "none.yaml"]),
    ],
)
def test_without_a_server_an_example_says_what_to_do(program: str, arguments: list[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        ended = call(program, *arguments, server=f"127.0.0.1:{unused.getsockname()[1]}")
    assert ended.status == 3
    assert "catenary serve" in ended.err
    assert "Traceback" not in ended.err


def test_the_whole_way_prints_what_the_tutorial_prints(trained: Ended, folder: str) -> None:
    assert re.fullmatch(r"Session created: \S{16,}", trained.lines[0])
    assert trained.lines[1:4] == [
        "Resolved trainrun: deep_svdd",
        "Pipeline: deep_svdd",
        "Starting statistical training...",
    ]
    assert "Starting gradient training..." in trained.lines
    assert trained.lines[-4:] == [
        f"Pipeline saved: {folder}/trained_pipeline.yaml",
        f"Weights saved: {folder}/trained_pipeline.safetensors",
        f"Trainrun config saved: {folder}/trainrun_config.yaml",
        "Session closed.",
    ]


def test_the_phases_report_as_the_tutorial_shows(trained: Ended) -> None:
    number = r"-?[\d.e+-]+"
    assert trained.matching(r"\[statistical\] \[TRAIN\] IN_PROGRESS \| message=Initializing \w+ \.\.\.")
    batches = trained.matching(r"\[statistical\] \[TRAIN\] IN_PROGRESS \| message=Processing batch \d+/\d+")
    assert len(batches) >= 2
    assert trained.matching(r"\[statistical\] \[TRAIN\] COMPLETED \| message=Statistical training complete")
    losses = rf"losses=\{{'deep_svdd_loss': {number}\}}"
    assert trained.matching(rf"\[gradient\] \[TRAIN\] IN_PROGRESS \| {losses} \| metrics=.*'iou': {number}.*")
    validations = trained.matching(r"\[gradient\] \[VALIDATE\] IN_PROGRESS \| .*metrics=.*")
    assert len(validations) == 2
    assert all("'val_iou': " in line and "'val_precision': " in line for line in validations)
    assert trained.matching(r"\[gradient\] \[TRAIN\] COMPLETED \| message=Training complete \(2 epochs\)")


def test_the_statistical_phase_runs_by_itself(example: Callable[..., Ended]) -> None:
    ended = example("statistical_training_client.py", "--trainrun", "rx", *SMALL)
    assert "[statistical] [TRAIN] IN_PROGRESS | message=Initializing rx ..." in ended.lines
    assert "[statistical] [TRAIN] COMPLETED | message=Statistical training complete" in ended.lines
    assert not ended.matching(r"\[gradient\].*")


def test_the_gradient_phase_says_where_each_loss_went(selector: Ended) -> None:
    assert [line.split(":")[0] for line in selector.lines if " -> " in line] == [
        "bce_loss",
        "diversity_loss",
        "entropy_loss",
    ]


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_trained_pipeline_infers_on_every_format(
    example: Callable[..., Ended], trained: Ended, folder: str, scene_file: Path, suffix: str
) -> None:
    ended = example(
        "run_inference.py",
        *["--pipeline-path", f"{folder}/trained_pipeline.yaml", "--weights-path", f"{folder}/trained_pipeline{suffix}"],
        *["--cu3s-file-path", scene_file, "--processing-mode", "Raw"],
    )
    assert f"Weights loaded: {folder}/trained_pipeline.safetensors" in ended.lines
    assert "  cube: [-1x-1x-1x-1], dtype=D_TYPE_FLOAT32" in ended.lines
    assert "  decider.decisions: shape=(1, 24, 20, 1), dtype=bool" in ended.lines
    assert ended.lines[-2:] == ["Processed 1 measurements", "Session closed."]


def test_reflectance_is_refused_where_a_file_has_nothing_to_scale_by(
    server: str, trained: Ended, folder: str, scene: Path
) -> None:
    pipeline = ["--pipeline-path", f"{folder}/trained_pipeline.yaml"]
    reflectance = ["--cu3s-file-path", str(scene), "--processing-mode", "Reflectance"]
    ended = call("run_inference.py", *pipeline, *reflectance, server=server)
    assert ended.status == 1
    assert "white reference" in ended.err


def test_a_node_is_overridden_by_its_index(
    example: Callable[..., Ended], selector: Ended, folder: str, scene: Path, artifact_root: Path
) -> None:
    example(
        "run_inference.py",
        *["--pipeline-path", f"{folder}/channel_selector.yaml"],
        *["--weights-path", f"{folder}/channel_selector.pt", "--cu3s-file-path", scene],
        *["--override", f"nodes.10.params.output_dir={folder}/custom_tb"],
    )
    (pictures,) = artifact_root.rglob(f"{folder}/custom_tb")
    assert [path.suffix for path in pictures.iterdir()] == [".png"]


def test_a_node_cannot_be_told_to_write_outside_of_the_roots(
    server: str, selector: Ended, folder: str, scene: Path, tmp_path: Path
) -> None:
    ended = call(
        "run_inference.py",
        *["--pipeline-path", f"{folder}/channel_selector.yaml", "--cu3s-file-path", str(scene)],
        *["--override", f"nodes.10.params.output_dir={tmp_path / 'outside'}"],
        server=server,
    )
    assert ended.status == 1
    assert "PATH_INVALID" in ended.err
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(
    ("mode", "last"),
    [
        ("info", r"Outputs: .*decider\.decisions.*"),
        ("validate", r"\[validate\] \[VALIDATE\] COMPLETED \| metrics=\{.*'val_auroc': .*"),
        ("test", r"\[test\] \[TEST\] COMPLETED \| metrics=\{.*'test_auroc': .*"),
        ("train", r"\[gradient\] \[TRAIN\] COMPLETED \| message=Training complete \(1 epochs\)"),
    ],
)
def test_a_saved_train_run_is_restored(
    example: Callable[..., Ended], trained: Ended, folder: str, mode: str, last: str
) -> None:
    run = ["--trainrun-path", f"{folder}/trainrun_config.yaml", "--mode", mode]
    ended = example("restore_trainrun_grpc.py", *run, "--override", "training.trainer.max_epochs=1")
    assert ended.lines[1:4] == [
        "Trainrun: deep_svdd",
        "Pipeline: deep_svdd, 12 nodes",
        f"Weights: {folder}/trained_pipeline.safetensors",
    ]
    assert re.fullmatch(last, ended.lines[-2])
    assert ended.lines[-1] == "Session closed."


def test_a_restored_pipeline_stays_as_it_was_saved(server: str, trained: Ended, folder: str) -> None:
    run = ["--trainrun-path", f"{folder}/trainrun_config.yaml", "--override", "pipeline.nodes.rx.params.eps=1"]
    ended = call("restore_trainrun_grpc.py", *run, server=server)
    assert ended.status == 1
    assert "only data.* and training.* can change" in ended.err


def test_a_missing_train_run_is_a_message(server: str) -> None:
    ended = call("restore_trainrun_grpc.py", "--trainrun-path", "none.yaml", server=server)
    assert ended.status == 1
    assert "ARTIFACT_NOT_FOUND" in ended.err
    assert "Traceback" not in ended.err


def test_an_unknown_train_run_is_a_message(server: str) -> None:
    ended = call("complete_workflow_client.py", "--trainrun", "none", server=server)
    assert ended.status == 1
    assert "CONFIG_NOT_FOUND" in ended.err
    assert ended.lines[-1] == "Session closed."


def test_overrides_of_the_tutorial_are_accepted(server: str) -> None:
    """All that the tutorial shows, resolved with the same call as its programs."""
    from catenary_client.workflow import (  # noqa: PLC0415 - here as in the programs
        build_stub,
        create_session_with_search_paths,
        resolve_trainrun_config,
    )

    stub = build_stub(server)
    session_id = create_session_with_search_paths(stub)
    _, config = resolve_trainrun_config(
        stub,
        session_id,
        "channel_selector",
        overrides=[
            "training.trainer.max_epochs=100",
            "training.optimizer.lr=0.001",
            "training.optimizer.weight_decay=0.01",
            "data.batch_size=16",
            "data.num_workers=4",
            "pipeline.nodes.channel_selector.params.tau_start=8.5",
            "pipeline.nodes.channel_selector.params.tau_end=0.06",
        ],
    )
    stub.channel.close()
    nodes = {node["name"]: node for node in config["pipeline"]["nodes"]}
    params = nodes["channel_selector"]["params"]
    assert (config["name"], config["pipeline"]["metadata"]["name"]) == ("channel_selector", "channel_selector")
    assert config["training"]["trainer"]["max_epochs"] == 100
    assert (config["training"]["optimizer"]["lr"], config["training"]["optimizer"]["weight_decay"]) == (0.001, 0.01)
    assert (config["data"]["batch_size"], config["data"]["num_workers"]) == (16, 4)
    np.testing.assert_allclose([params["tau_start"], params["tau_end"]], [8.5, 0.06])
