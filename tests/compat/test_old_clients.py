"""Clients with the published stubs of `cuvis_ai.v1` work here by changing nothing but the address."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

CLIENT = Path(__file__).with_name("old_client.py")
IN_PROGRESS, COMPLETED = 1, 2
ALWAYS = {
    "CreateSession",
    "CloseSession",
    "ListLoadedPlugins",
    "ListAvailablePipelines",
    "ListAvailableNodes",
    "GetTrainingCapabilities",
    "GetTrainStatus",
}
"""Methods that a new session is enough for."""


@pytest.fixture(scope="module", params=["0.5.0", "0.8.0", "0.14.2"])
def stubs(request: pytest.FixtureRequest) -> Path:
    """A folder with one release of the published stubs and nothing else; kept between test runs."""
    folder = request.config.cache.mkdir(f"cuvis-ai-schemas-{request.param}")
    if not (folder / "cuvis_ai_schemas").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        subprocess.run([*pip, f"cuvis-ai-schemas=={request.param}"], check=True)
    return Path(folder)


@pytest.fixture(scope="module")
def seen(stubs: Path, server: str) -> dict[str, Any]:
    """What a client saw that has these stubs and the address."""
    done = subprocess.run(
        [sys.executable, str(CLIENT), server],
        env=os.environ | {"PYTHONPATH": str(stubs)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_client_has_nothing_of_ours(seen: dict[str, Any]) -> None:
    assert seen["foreign_modules"] == []


def test_every_method_of_the_stubs_is_answered(seen: dict[str, Any]) -> None:
    assert set(seen["answers"].values()) <= {"OK", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "NOT_FOUND"}
    answered = {name for name, status in seen["answers"].items() if status == "OK"}
    assert answered >= ALWAYS


def test_the_workflow_of_training_works(seen: dict[str, Any]) -> None:
    assert seen["search_paths"] == [True, 1, ["/not/there"]]
    assert seen["name"] == "deep_svdd"
    assert seen["applied"] == [True, True]
    for events in seen["phases"]:
        assert _statuses(events) == [IN_PROGRESS] * (len(events) - 1) + [COMPLETED]
        assert len(events) > 2
    assert seen["status"] == COMPLETED


def test_pipelines_are_saved_and_loaded(seen: dict[str, Any]) -> None:
    assert seen["saved"] == [True, "old_client/pipeline.yaml", "old_client/pipeline.safetensors"]
    assert seen["saved_run"] == [True, "old_client/run.yaml", "old_client/run.safetensors"]
    assert seen["loaded"] == [True, "me"]
    assert seen["weights"] == [True, "old_client/pipeline.safetensors"]


def test_inference_gives_the_exit_ports(seen: dict[str, Any]) -> None:
    assert "cube" in seen["inputs"]
    assert "decider.decisions" in seen["shapes"]
    assert set(seen["shapes"]) <= set(seen["outputs"])
    assert seen["complete"]
    assert seen["chosen"] == {"scores.scores": [1, 8, 8, 1]}


def test_a_trainrun_is_restored_and_sessions_close(seen: dict[str, Any]) -> None:
    assert seen["restored"] == [True, "deep_svdd", seen["inputs"]]
    assert seen["closed"]
    assert seen["after_close"] == "NOT_FOUND"


def _statuses(events: Sequence[Sequence[Any]]) -> list[int]:
    return [status for status, _ in events]
