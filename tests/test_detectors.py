"""The detectors over gRPC: as good as an independent computation says, and as good as the project promises."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from catenary_client import Client, Phase, Session
from catenary_scenes import Scene, SceneSpec, generate_scene, read_scene, write_scene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

SAN_DIEGO, URBAN = "san_diego", "hydice_urban"


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[Client]:
    with Client(server) as connected:
        yield connected


def rx_in_float64(cube: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squared Mahalanobis distance of each pixel to the scene's mean (Reed & Yu 1990), by pseudo-inverse."""
    pixels = cube.reshape(-1, cube.shape[-1]).astype(np.float64)
    centred = pixels - pixels.mean(0)
    inverse = np.linalg.pinv(centred.T @ centred / (len(pixels) - 1))
    distances: NDArray[np.float64] = np.einsum("ij,jk,ik->i", centred, inverse, centred)
    return distances


def configure(session: Session, name: str, overrides: list[str]) -> None:
    session.set_trainrun(session.resolve("trainrun", name, overrides=overrides))


def losses(session: Session, phase: Phase) -> list[float]:
    """Run a phase; what it reported as its losses, in order."""
    return [loss for event in session.train(phase) for loss in event.losses.values()]


def scores(session: Session, scene: Scene) -> NDArray[np.float64]:
    (found,) = session.infer(cube=scene.cube[np.newaxis], outputs=["scores"]).values()
    return found.reshape(-1).astype(np.float64)


def auc(found: NDArray[np.float64], scene: Scene) -> float:
    assert scene.mask is not None
    return float(roc_auc_score(scene.mask.ravel() > 0, found))


@pytest.mark.scenes
@pytest.mark.parametrize(("name", "promised"), [(SAN_DIEGO, 0.940), (URBAN, 0.976)])
def test_rx_agrees_with_float64_and_with_the_literature(
    client: Client, scenes_folder: Path, name: str, promised: float
) -> None:
    path = scenes_folder / f"{name}.mat"
    scene = read_scene(path)
    with client.session() as session:
        configure(session, "rx", ["data=file", f"data.path={path}"])
        losses(session, "statistical")
        found = scores(session, scene)
    expected = rx_in_float64(scene.cube)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert round(auc(found, scene), 3) == promised


@pytest.mark.scenes
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))])
@pytest.mark.parametrize(("name", "promised"), [(SAN_DIEGO, 0.96), (URBAN, 0.985)])
def test_deep_svdd_beats_rx_without_labels(
    client: Client, scenes_folder: Path, name: str, promised: float, seed: int
) -> None:
    path = scenes_folder / f"{name}.mat"
    scene = read_scene(path)
    with client.session() as session:
        overrides = ["data=file", f"data.path={path}", f"training.seed={seed}"]
        configure(session, "deep_svdd", overrides)
        losses(session, "statistical")
        before = scores(session, scene)
        fell = losses(session, "gradient")
        after = scores(session, scene)
    assert fell[-1] < fell[0]
    assert not np.array_equal(before, after)
    assert auc(after, scene) >= promised


def test_three_learned_channels_work_on_a_generated_scene_without_any_file(client: Client) -> None:
    with client.session() as session:
        configure(session, "channel_selector", ["training.trainer.max_epochs=2", "data=synthetic"])
        losses(session, "statistical")
        assert losses(session, "gradient")
        status = session.train_status()
    assert status is not None
    assert status.status == "COMPLETED"


def test_labels_never_reach_the_training_of_deep_svdd(client: Client, data_root: Path) -> None:
    labelled = generate_scene(SceneSpec(seed=1, rows=48, cols=48, bands=32))
    found = []
    for name, scene in (("labelled", labelled), ("unlabelled", dataclasses.replace(labelled, mask=None))):
        write_scene(data_root / f"{name}.npz", scene)
        with client.session() as session:
            overrides = ["data=file", f"data.path={name}.npz", "training.trainer.max_epochs=2"]
            configure(session, "deep_svdd", overrides)
            losses(session, "statistical")
            losses(session, "gradient")
            found.append(scores(session, labelled))
    np.testing.assert_array_equal(found[0], found[1])
