"""Pipelines kept on the server, by client and command line, against a real server."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from catenary_client import AlreadyExistsError, Client, ConfigError, InvalidRequestError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SMALL = ["data.synthetic.rows=24", "data.synthetic.cols=24"]


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server) as connected:
        yield connected


@pytest.fixture(scope="module")
def saved(server: str) -> str:
    """Path of a fitted pipeline on the server."""
    with Client(server) as client, client.session() as session:
        session.set_trainrun(session.resolve("trainrun", "rx", SMALL))
        list(session.train("statistical"))
        return session.save_pipeline("library/fitted_rx").pipeline_path


def catenary(server: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "catenary_client.cli", *arguments, "--server", server]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def test_pipelines_are_listed_by_tag_and_described(client: Client, saved: str) -> None:
    paths = [item.pipeline_path for item in client.available_pipelines()]
    assert {"pipeline/deep_svdd.yaml", "pipeline/rx.yaml", saved} <= set(paths)
    assert paths == sorted(paths)
    tagged = {item.pipeline_path for item in client.available_pipelines("supervised")}
    assert "pipeline/channel_selector.yaml" in tagged
    assert "pipeline/rx.yaml" not in tagged
    info = client.pipeline_info(saved)
    assert info.weights_path == saved.replace(".yaml", ".safetensors")
    assert info.metadata.catenary_version
    assert "RXGlobal" in info.yaml_content
    with pytest.raises(NotFoundError):
        client.pipeline_info("library/nothing")


def test_a_fitted_pipeline_travels_to_a_machine_and_back_and_scores_the_same(
    client: Client, saved: str, tmp_path: Path
) -> None:
    cube = np.random.default_rng(3).normal(0.3, 0.05, (1, 8, 8, 96)).astype(np.float32)
    fetched = client.download_pipeline(saved, tmp_path)
    assert fetched.definition == tmp_path / "fitted_rx.yaml"
    assert fetched.weights is not None
    sent = client.upload_pipeline(fetched.definition, "library/back")
    assert sent.weights_path == "library/back.safetensors"
    scores = []
    for path in (saved, sent.pipeline_path):
        with client.session() as session:
            session.load_pipeline(session.resolve("pipeline", path))
            session.load_weights(path.replace(".yaml", ".pt"))
            scores.append(session.infer(cube=cube, outputs=["rx.scores"])["rx.scores"])
    np.testing.assert_array_equal(scores[0], scores[1])
    again = client.download_pipeline("library/back", tmp_path / "again")
    assert again.weights is not None
    assert again.weights.read_bytes() == fetched.weights.read_bytes()
    assert sorted(place.name for place in tmp_path.iterdir()) == ["again", "fitted_rx.safetensors", "fitted_rx.yaml"]


def test_an_upload_that_is_refused_changes_nothing(client: Client, saved: str, tmp_path: Path) -> None:
    fetched = client.download_pipeline(saved, tmp_path, definition_only=True)
    assert fetched.weights is None
    with pytest.raises(AlreadyExistsError):
        client.upload_pipeline(fetched.definition, saved, must_not_exist=True)
    (tmp_path / "pickle.pt").write_bytes(b"PK\x03\x04" + bytes(4 << 20))
    with pytest.raises(InvalidRequestError, match="WEIGHTS_FORMAT_FORBIDDEN"):
        client.upload_pipeline(fetched.definition, saved, weights=tmp_path / "pickle.pt")
    (tmp_path / "broken.yaml").write_text("nodes: [{name: x}]")
    with pytest.raises(ConfigError):
        client.upload_pipeline(tmp_path / "broken.yaml", saved)
    assert client.pipeline_info(saved).weights_path


def test_weights_that_only_one_side_has_are_named(client: Client, saved: str) -> None:
    with client.session() as session:
        session.load_pipeline(session.resolve("pipeline", "channel_selector"))
        loaded = session.load_weights(saved.replace(".yaml", ".safetensors"), strict=False)
        assert "channel_selector.logits" in loaded.missing_names
        assert not loaded.unexpected_names
        session.load_pipeline(session.resolve("pipeline", "deep_svdd"))
        loaded = session.load_weights(saved.replace(".yaml", ".safetensors"), strict=False)
        assert "rx.covariance" in loaded.unexpected_names


def test_a_pipeline_is_drawn_in_every_format(client: Client, saved: str) -> None:
    with client.session() as session:
        session.load_pipeline(session.resolve("pipeline", "channel_selector"))
        assert session.draw().startswith(b"\x89PNG")
        svg = session.draw("svg").decode()
        names = [node["name"] for node in session.resolve("pipeline", "channel_selector").values["nodes"]]
        assert all(f">{name}<" in svg for name in names)
    preview = client.draw_definition(client.pipeline_info(saved).yaml_content.encode(), "mermaid").decode()
    assert "RXGlobal" in preview


def test_what_a_training_may_use_is_what_validation_accepts(client: Client) -> None:
    found = client.training_capabilities()
    for name in found.supported_optimizers:
        assert client.validate_config("optimizer", {"name": name}).valid
    for name in found.supported_schedulers:
        assert client.validate_config("scheduler", {"name": name}).valid
    assert not client.validate_config("optimizer", {"name": "magic"}).valid
    readers = {reader.suffix: reader for reader in found.data_readers}
    assert readers[".npz"].missing_requirement == ""
    assert {".cu3s", ".png", ".tif"} <= readers.keys()


def test_the_command_line_lists_draws_fetches_and_sends(server: str, saved: str, tmp_path: Path) -> None:
    listed = catenary(server, "pipelines", "list", "--json")
    assert saved in [item["pipeline_path"] for item in json.loads(listed.stdout)["pipelines"]]
    assert "RXGlobal" in catenary(server, "pipelines", "show", saved).stdout
    picture = tmp_path / "rx.svg"
    drawn = catenary(server, "pipelines", "draw", "rx", "--output", str(picture))
    assert drawn.returncode == 0, drawn.stderr
    assert "<svg" in picture.read_text()
    assert "flowchart LR" in catenary(server, "pipelines", "draw", saved).stdout
    assert catenary(server, "pipelines", "draw", "rx", "--format", "png").returncode == 2
    fetched = catenary(server, "pipelines", "download", saved, str(tmp_path), "--json")
    assert json.loads(fetched.stdout)["files"] == [
        str(tmp_path / "fitted_rx.yaml"),
        str(tmp_path / "fitted_rx.safetensors"),
    ]
    sent = catenary(server, "pipelines", "upload", str(tmp_path / "fitted_rx.yaml"), "library/cli", "--json")
    assert json.loads(sent.stdout)["pipeline_path"] == "library/cli.yaml"
    assert "adamw" in catenary(server, "configs", "options").stdout


def test_inference_with_a_pipeline_that_was_never_trained_says_how_to_train_it(server: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "scene.npz", cube=np.zeros((4, 4, 3), dtype=np.float32))
    refused = catenary(server, "infer", str(tmp_path / "scene.npz"), "--pipeline", "rx")
    assert refused.returncode == 1
    assert "catenary train" in refused.stderr
