"""Datasets from the client's files to a training on the server, through cuts and restarts."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pytest
from PIL import Image

from catenary.v1.dataset_pb2 import DATASET_STATE_READY, DATASET_STATE_UPLOADING
from catenary_client import Client, NotFoundError, PreconditionError, RetryPolicy
from catenary_scenes import Scene, SceneSpec, generate_scene, write_scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from catenary_client import Session, UploadProgress


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server) as connected:
        yield connected


@pytest.fixture
def scene() -> Scene:
    return generate_scene(SceneSpec(seed=11, rows=48, cols=40, bands=32))


def train_rx(session: Session, path: str) -> str:
    session.set_trainrun(session.resolve("trainrun", "rx", ["data.source=file", f"data.path={path}"]))
    return [event.status for event in session.train("statistical")][-1]


def content(size: int, seed: int) -> bytes:
    return np.random.default_rng(seed).bytes(size)


class CuttingProxy:
    """A TCP proxy that breaks its first connections when they have carried so many bytes to the server.

    `on_cut` is called before the client notices.
    """

    def __init__(self, target: str, *cut_after: int, on_cut: Callable[[], None] | None = None) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._cuts = list(cut_after)
        self._on_cut = on_cut
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.cut = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(self._target)
                except ConnectionRefusedError:  # the server is being replaced
                    near.close()
                    continue
                self._open += [near, far]
                threading.Thread(target=self._carry, args=(far, near, None), daemon=True).start()
                threading.Thread(target=self._carry_to_server, args=(near, far), daemon=True).start()

    def _carry_to_server(self, near: socket.socket, far: socket.socket) -> None:
        self._carry(near, far, self._cuts[0] if self._cuts else None)

    def _carry(self, source: socket.socket, target: socket.socket, most: int | None) -> None:
        carried = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                carried += len(data)
                if most is not None and carried > most:
                    self._cuts.pop(0)
                    self.cut += 1
                    if self._on_cut is not None:
                        self._on_cut()
                    break
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def test_a_scene_that_only_the_client_has_is_trained_on(client: Client, scene: Scene, tmp_path: Path) -> None:
    write_scene(tmp_path / "field.npz", scene)
    seen: list[UploadProgress] = []
    dataset = client.upload_dataset(tmp_path / "field.npz", labels={"site": "north"}, on_progress=seen.append)
    (tmp_path / "field.npz").unlink()
    assert dataset.state == DATASET_STATE_READY
    assert (seen[-1].sent, seen[-1].total, seen[-1].attempt) == (dataset.size_bytes, dataset.size_bytes, 1)
    with client.session() as session:
        assert train_rx(session, dataset.path) == "COMPLETED"
        (scores,) = session.infer(cube=scene.cube[np.newaxis], outputs=["rx.scores"]).values()
    assert scene.mask is not None
    flat, truth = scores.ravel(), scene.mask.ravel() > 0
    assert flat[truth].mean() > 2 * flat[~truth].mean()
    assert client.datasets({"site": "north"})[-1].dataset_id == dataset.dataset_id


def test_an_envi_scene_is_a_dataset_of_several_files(client: Client, scene: Scene, tmp_path: Path) -> None:
    write_scene(tmp_path / "field.hdr", scene)
    dataset = client.upload_dataset(tmp_path, name="envi")
    assert len(dataset.files) >= 2
    with client.session() as session:
        assert train_rx(session, dataset.path) == "COMPLETED"


def test_a_folder_of_band_images_is_trained_on(client: Client, scene: Scene, tmp_path: Path) -> None:
    counts = np.clip(scene.cube * 60_000, 0, 65_535).astype(np.uint16)
    for band in range(scene.bands):
        Image.fromarray(counts[:, :, band]).save(tmp_path / f"band_{band}.png")
    dataset = client.upload_dataset(tmp_path)
    with client.session() as session:
        assert train_rx(session, dataset.path) == "COMPLETED"


def test_an_upload_outlives_cut_connections(server: str, tmp_path: Path) -> None:
    whole = content(24_000_000, 1)
    (tmp_path / "noise.cu3s").write_bytes(whole)
    policy = RetryPolicy(attempts=20, initial_seconds=0.05, max_seconds=0.5)
    seen: list[UploadProgress] = []
    with CuttingProxy(server, 6_000_000, 6_000_000) as proxy, Client(proxy.address, retry=policy) as client:
        dataset = client.upload_dataset(tmp_path / "noise.cu3s", on_progress=seen.append)
        assert proxy.cut == 2
    assert dataset.state == DATASET_STATE_READY
    assert resumed(seen)
    assert seen[-1].sent == len(whole)


def resumed(seen: list[UploadProgress]) -> bool:
    """Whether a stream began with what an earlier one had brought."""
    return any(0 < after.sent <= before.sent for before, after in itertools.pairwise(seen[:-1]))


@pytest.mark.slow
def test_bytes_survive_a_server_that_is_killed(tmp_path: Path) -> None:
    """Another server on the same disk goes on where the killed one was."""
    whole = content(24_000_000, 2)
    (tmp_path / "noise.cu3s").write_bytes(whole)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    servers = [started(tmp_path, port)]

    def replace() -> None:
        servers[0].send_signal(signal.SIGKILL)
        servers[0].wait()
        servers.append(started(tmp_path, port))

    seen: list[UploadProgress] = []
    policy = RetryPolicy(attempts=200, initial_seconds=0.2, max_seconds=0.5)
    try:
        with (
            CuttingProxy(f"127.0.0.1:{port}", 12_000_000, on_cut=replace) as proxy,
            Client(proxy.address, retry=policy) as client,
        ):
            dataset = client.upload_dataset(tmp_path / "noise.cu3s", on_progress=seen.append)
            assert proxy.cut == 1
            assert [each.dataset_id for each in client.datasets()] == [dataset.dataset_id]
    finally:
        for each in servers:
            each.kill()
            each.wait()
    assert resumed(seen)
    assert (tmp_path / "artifacts" / dataset.path).read_bytes() == whole


def started(folder: Path, port: int) -> subprocess.Popen[bytes]:
    (folder / "configs").mkdir(exist_ok=True)
    roots = ["--artifacts", str(folder / "artifacts"), "--configs", str(folder / "configs")]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "catenary_server", "--port", str(port), "--no-dashboard", *roots],
            stdout=log,
            stderr=log,
            env=os.environ.copy(),
        )


def test_a_file_without_its_reader_says_what_to_install(client: Client, tmp_path: Path) -> None:
    (tmp_path / "session.cu3s").write_bytes(content(1000, 3))
    dataset = client.upload_dataset(tmp_path / "session.cu3s")
    with client.session() as session:
        with pytest.raises(PreconditionError, match="pip install") as caught:
            train_rx(session, dataset.path)
        assert caught.value.reason == "READER_UNAVAILABLE"


def test_a_refusal_in_the_middle_of_a_stream_keeps_its_reason(client: Client, tmp_path: Path) -> None:
    (tmp_path / "fake.npy").write_bytes(content(30_000_000, 4))
    with pytest.raises(PreconditionError) as caught:
        client.upload_dataset(tmp_path / "fake.npy")
    assert caught.value.reason == "DATASET_INVALID"


def test_a_bomb_is_refused_by_the_training_that_meets_it(client: Client, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", cube=np.zeros((2048, 2048, 80), np.uint8).astype(bool))
    dataset = client.upload_dataset(tmp_path / "bomb.npz")
    with client.session() as session:
        with pytest.raises(PreconditionError, match="would unfold") as caught:
            train_rx(session, dataset.path)
        assert caught.value.reason == "DATASET_INVALID"


def test_a_deleted_dataset_is_not_trained_on(client: Client, scene: Scene, tmp_path: Path) -> None:
    write_scene(tmp_path / "gone.npz", scene)
    dataset = client.upload_dataset(tmp_path / "gone.npz")
    client.delete_dataset(dataset.dataset_id)
    client.delete_dataset(dataset.dataset_id)
    with pytest.raises(NotFoundError):
        client.dataset(dataset.dataset_id)
    with client.session() as session, pytest.raises(NotFoundError) as caught:
        train_rx(session, dataset.path)
    assert caught.value.reason == "DATASET_NOT_FOUND"


def catenary(server: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "catenary_client.cli", *arguments, "--server", server]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def documents(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_command_line_uploads_lists_shows_and_deletes(server: str, scene: Scene, tmp_path: Path) -> None:
    write_scene(tmp_path / "cli.npz", scene)
    upload = ("datasets", "upload", str(tmp_path / "cli.npz"), "--label", "from=cli")
    said = catenary(server, *upload)
    assert said.returncode == 0, said.stderr
    assert "train on it with data.path=datasets/" in said.stdout
    *progress, last = documents(catenary(server, *upload, "--json").stdout)
    dataset_id = last["dataset"]["dataset_id"]
    assert dataset_id in said.stdout
    assert {each["upload"]["sent"] for each in progress} == {int(last["dataset"]["size_bytes"])}
    (listed,) = documents(catenary(server, "datasets", "list", "--label", "from=cli", "--json").stdout)
    assert [each["dataset_id"] for each in listed["datasets"]] == [dataset_id]
    assert "cli.npz" in catenary(server, "datasets", "show", dataset_id).stdout
    assert catenary(server, "datasets", "delete", dataset_id).stdout == f"deleted {dataset_id}\n"
    assert catenary(server, "datasets", "show", dataset_id).returncode == 1
    assert "no datasets" in catenary(server, "datasets", "list", "--label", "from=cli").stdout
    assert "no label" in catenary(server, "datasets", "list", "--label", "cli").stderr


def test_an_interrupted_command_is_gone_on_with_by_the_next(server: str, client: Client, tmp_path: Path) -> None:
    (tmp_path / "interrupted.cu3s").write_bytes(content(9_000_000, 5))
    command = [sys.executable, "-m", "catenary_client.cli", "datasets", "upload", str(tmp_path / "interrupted.cu3s")]
    cut = threading.Event()

    def kill() -> None:
        process.kill()
        process.wait()
        cut.set()

    with CuttingProxy(server, 5_000_000, on_cut=kill) as proxy:
        process = subprocess.Popen([*command, "--server", proxy.address])
        assert cut.wait(60)
    (unfinished,) = [each for each in client.datasets() if each.name == "interrupted.cu3s"]
    assert unfinished.state == DATASET_STATE_UPLOADING
    again = subprocess.run([*command, "--json", "--server", server], capture_output=True, text=True, check=True)
    first, *_, last = documents(again.stdout)
    assert first["upload"]["sent"] > 0
    assert last["dataset"]["dataset_id"] == unfinished.dataset_id
