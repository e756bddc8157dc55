"""Plugins through a real server: what the contract promises of them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest
from scipy.spatial.distance import cosine

from catenary.v1 import plugin_service_pb2
from catenary.v1.plugin_pb2 import PluginManifest
from catenary_client import (
    CatenaryError,
    Client,
    ConfigError,
    NotFoundError,
    PermissionDeniedError,
    Plugin,
    PreconditionError,
    Session,
)
from catenary_scenes import SceneSpec, generate_scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

INDEX = {
    "nodes": [{"name": "scene", "class_name": "SceneInput"}, {"name": "index", "class_name": "NDVI"}],
    "connections": [
        {"source": "scene.outputs.cube", "target": "index.inputs.data"},
        {"source": "scene.outputs.wavelengths", "target": "index.inputs.wavelengths"},
    ],
}
ANGLES = {
    "nodes": [
        {"name": "scene", "class_name": "SceneInput"},
        {"name": "angles", "class_name": "catenary_plugin_ndvi.SpectralAngleMapper"},
        {"name": "auroc", "class_name": "AUROC"},
    ],
    "connections": [
        {"source": "scene.outputs.cube", "target": "angles.inputs.data"},
        {"source": "angles.outputs.scores", "target": "auroc.inputs.scores"},
        {"source": "scene.outputs.mask", "target": "auroc.inputs.targets"},
    ],
}
NDVI = Plugin("ndvi", "catenary-plugin-ndvi", "0.1.0", ("NDVI", "SpectralAngleMapper"))
CUBE = np.random.default_rng(0).random((1, 6, 5, 4), dtype=np.float32)
CENTRES = np.array([[550, 668, 700, 803]], dtype=np.float32)


@pytest.fixture(scope="module")
def client(plugin_server: str) -> Iterator[Client]:
    with Client(plugin_server) as connected:
        yield connected


@pytest.fixture
def session(client: Client) -> Iterator[Session]:
    with client.session() as opened:
        yield opened


def reason(error: pytest.ExceptionInfo[CatenaryError]) -> str:
    return error.value.reason


def test_its_nodes_compute_like_built_in_ones(session: Session) -> None:
    session.load_plugin("ndvi", version=">=0.1")
    session.load_pipeline(INDEX)
    assert list(session.outputs()) == ["index.index"]
    (found,) = session.infer(cube=CUBE, wavelengths=CENTRES).values()
    red, near_infrared = CUBE[..., 1], CUBE[..., 3]
    np.testing.assert_allclose(found[..., 0], (near_infrared - red) / (near_infrared + red), rtol=1e-5)


def test_its_nodes_are_trained_saved_and_restored(client: Client, session: Session) -> None:
    session.load_plugin("ndvi")
    trainrun = session.resolve("trainrun", "rx", ["data=synthetic"]).values
    session.set_trainrun(trainrun | {"pipeline": ANGLES, "metric_nodes": ["auroc"]})
    events = list(session.train("statistical"))
    assert events[-1].status == "COMPLETED"
    scene = generate_scene(SceneSpec(**trainrun["data"]["synthetic"]))
    scores = session.infer(cube=scene.cube[np.newaxis], outputs=["scores"])["angles.scores"]
    pixels = scene.cube.reshape(-1, scene.cube.shape[-1]).astype(np.float64)
    expected = [np.arccos(1 - cosine(pixel, pixels.mean(axis=0))) for pixel in pixels[:50]]
    np.testing.assert_allclose(scores.ravel()[:50], expected, atol=1e-3)
    saved = session.save_trainrun("angles/run", save_weights=True)
    with client.session() as other:
        with pytest.raises(PreconditionError, match="LoadPlugin") as caught:
            other.restore(saved.trainrun_path)
        assert reason(caught) == "PLUGIN_NOT_INSTALLED"
        other.load_plugin("ndvi")
        other.restore(saved.trainrun_path)
        again = other.infer(cube=scene.cube[np.newaxis], outputs=["scores"])["angles.scores"]
    np.testing.assert_array_equal(again, scores)


def test_a_loaded_plugin_is_listed_and_shown_and_loading_again_changes_nothing(session: Session) -> None:
    assert session.plugins() == []
    for _ in range(2):
        session.load_plugin("ndvi")
        assert session.plugins() == [NDVI]
        assert session.plugin("ndvi") == NDVI


def test_a_session_has_nothing_of_what_another_loaded(client: Client, session: Session) -> None:
    session.load_plugin("ndvi")
    with client.session() as other:
        assert other.plugins() == []
        with pytest.raises(NotFoundError) as missing:
            other.plugin("ndvi")
        assert reason(missing) == "PLUGIN_NOT_FOUND"
        with pytest.raises(PreconditionError) as caught:
            other.load_pipeline(INDEX)
        assert reason(caught) == "PLUGIN_NOT_INSTALLED"
        assert {"NDVI", "SpectralAngleMapper"} & {node.class_name for node in other.nodes()} == set()
    nodes = {node.class_name: node for node in session.nodes()}
    assert nodes["NDVI"].plugin == "ndvi"
    assert "Rouse" in nodes["NDVI"].citation
    assert nodes["RXGlobal"].plugin == ""
    assert nodes.keys() - {"NDVI", "SpectralAngleMapper"} == {node.class_name for node in client.nodes()}


def test_what_the_operator_did_not_allow_is_refused_and_none_of_its_code_is_run(
    session: Session, plugin_folder: Path
) -> None:
    for name in ("forbidden", "nowhere"):
        with pytest.raises(PermissionDeniedError) as caught:
            session.load_plugin(name)
        assert reason(caught) == "PLUGIN_NOT_ALLOWED"
    assert not (plugin_folder / "canary").exists()


@pytest.mark.parametrize(
    ("name", "version"), [("absent", ""), ("broken", ""), ("deadly", ""), ("unfit", ""), ("ndvi", ">=2")]
)
def test_a_plugin_that_cannot_be_used_leaves_the_session_as_it_was(
    session: Session, plugin_folder: Path, name: str, version: str
) -> None:
    session.load_plugin("ndvi")
    session.load_pipeline(INDEX)
    with pytest.raises(PreconditionError) as caught:
        session.load_plugin(name, version=version)
    assert reason(caught) == "PLUGIN_NOT_INSTALLED"
    assert "secret words" not in str(caught.value)
    assert str(plugin_folder) not in str(caught.value)
    assert session.plugins() == [NDVI]
    assert session.infer(cube=CUBE, wavelengths=CENTRES)


def test_the_cache_is_cleared_and_sessions_keep_what_they_have(client: Client, session: Session) -> None:
    session.load_plugin("ndvi")
    assert client.clear_plugin_cache("nowhere") == 0
    assert client.clear_plugin_cache("ndvi") == 1
    assert client.clear_plugin_cache("ndvi") == 0
    assert session.plugins() == [NDVI]
    session.load_pipeline(INDEX)


@pytest.mark.parametrize(
    "manifest",
    [
        b"{",
        b"[]",
        b"\xff",
        b"[" * 60_000,
        b'{"version": "1"}',
        b'{"name": ""}',
        b'{"name": 3}',
        b'{"name": "ndvi", "name": "ndvi"}',
        b'{"name": "ndvi", "version": "newest"}',
        b'{"name": "ndvi", "version": 1}',
        b'{"name": "ndvi", "git": "https://host.invalid/ndvi"}',
        b'{"name": "ndvi", "repo": "git@host.invalid:ndvi", "tag": "v1"}',
        b'{"name": "ndvi", "url": "http://127.0.0.1:9/ndvi.whl"}',
        b'{"name": "ndvi", "path": "/tmp/ndvi"}',
        b'{"plugins": {"ndvi": {"repo": "https://host.invalid/ndvi", "provides": ["NDVI"]}}}',
    ],
)
def test_manifests_that_are_none_or_name_a_place_are_refused(
    plugin_server: str, session: Session, manifest: bytes
) -> None:
    with grpc.insecure_channel(plugin_server) as channel:
        request = plugin_service_pb2.LoadPluginRequest(
            session_id=session.session_id, manifest=PluginManifest(config_bytes=manifest)
        )
        with pytest.raises(grpc.RpcError) as caught:
            call(channel, "/catenary.v1.PluginService/LoadPlugin", request)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        answer = call(channel, "/cuvis_ai.v1.CuvisAIService/LoadPlugin", request)
    assert b"plugin manifest" in answer or b"version" in answer
    assert session.plugins() == []


@pytest.mark.parametrize("method", ["LoadPlugin", "LoadPlugins"])
def test_clients_of_the_other_service_load_and_see_failures_in_the_response(
    plugin_server: str, session: Session, method: str
) -> None:
    path = f"/cuvis_ai.v1.CuvisAIService/{method}"
    with grpc.insecure_channel(plugin_server) as channel:
        good, bad = (
            call(channel, path, plugin_service_pb2.LoadPluginRequest(
                session_id=session.session_id, manifest=PluginManifest(config_bytes=json.dumps({"name": name}).encode())
            ))
            for name in ("ndvi", "forbidden")
        )  # fmt: skip
    assert good == b"\x0a\x04ndvi"
    assert bad[0] == 2 << 3 | 2
    assert b"is not allowed" in bad
    assert session.plugins() == [NDVI]


def call(channel: grpc.Channel, path: str, request: Any) -> bytes:
    answer: bytes = channel.unary_unary(path, type(request).SerializeToString, bytes)(request, timeout=60)
    return answer


def test_connections_would_be_noted(noting_connections: Callable[[Path], Path], tmp_path: Path) -> None:
    log = noting_connections(tmp_path)
    code = "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(tmp_path)}, check=True)
    assert log.read_text().startswith("socket.connect")


def test_the_server_opens_no_connection(client: Client, plugin_folder: Path) -> None:
    """Whatever the tests of this file asked for: processes of this server connect to nothing and look up no name."""
    with client.session() as opened:
        opened.load_plugin("ndvi")
        opened.load_pipeline(INDEX)
        with pytest.raises(ConfigError):
            opened.load_plugin("ndvi", version="git+https://host.invalid/ndvi")
    assert (plugin_folder / "connections.log").read_text() == ""


def test_the_command_line_lists_loads_and_shows(plugin_server: str, session: Session) -> None:
    def catenary(*arguments: str) -> Any:
        command = [sys.executable, "-m", "catenary_client.cli", *arguments, "--server", plugin_server, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    here = ("--session", session.session_id)
    assert catenary("plugins", "list", *here) == {"plugins": []}
    loaded = catenary("plugins", "load", "ndvi", "--version", ">=0.1", *here)
    assert loaded["node_types"] == ["NDVI", "SpectralAngleMapper"]
    assert catenary("plugins", "list", *here) == {"plugins": [loaded]}
    assert catenary("plugins", "show", "ndvi", *here) == loaded
    assert catenary("nodes", "NDVI", *here)["plugin"] == "ndvi"
    assert "NDVI" not in {node["class_name"] for node in catenary("nodes")["nodes"]}
