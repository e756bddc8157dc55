"""The whole way: serve, train a detector remotely, save, restore in another session, infer, and say how good it is.

    nox -s demo
    nox -s demo -- --data san_diego.mat
    nox -s demo -- --server gpu-box:50051 --epochs 40

The scene is generated unless `--data` names one (`.mat` with arrays `data` and `map`, `.npz`, ENVI `.hdr`). Labels are
used for the printed ROC AUC only; the detectors never see them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import matplotlib as mpl
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column
from scipy.stats import rankdata

from catenary_client import Client, Phase, Session
from catenary_client.local import local_server
from catenary_scenes import Scene, SceneSpec, false_colour, generate_scene, read_scene, write_scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

console = Console(highlight=False, soft_wrap=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Detection:
    """Scores of one detector, [rows, cols] float32, larger is more anomalous."""

    name: str
    scores: NDArray[np.float32]


def roc_auc(scores: NDArray[np.float32], mask: NDArray[np.int32]) -> float:
    """Area under the ROC curve as the Mann-Whitney statistic (Hanley & McNeil 1982), ties counted half."""
    anomalous = mask.ravel() > 0
    ranks = rankdata(scores.ravel().astype(np.float64))
    positives = int(anomalous.sum())
    wins = ranks[anomalous].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * (anomalous.size - positives)))


def follow(session: Session, phase: Phase) -> list[float]:
    """Run one phase and show its progress: epochs for gradients, batches for statistics. Returns the losses."""
    columns = (
        TextColumn("{task.description:<12}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=20, table_column=Column(no_wrap=True)),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[news]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
    )
    losses: list[float] = []
    with Progress(*columns, console=console, expand=True) as bar:
        task = bar.add_task(phase, total=None, news="")
        for event in session.train(phase):
            losses.extend(event.losses.values())
            epochs = phase == "gradient"
            values = {**event.losses, **event.metrics}
            bar.update(
                task,
                completed=event.epochs_done if epochs else event.batches_done,
                total=(event.epochs_total if epochs else event.batches_total) or None,
                news=" ".join(f"{key}={value:.4f}" for key, value in values.items()) or event.message,
            )
    return losses


def detect(session: Session, scene: Scene) -> NDArray[np.float32]:
    """Scores of every pixel of the scene, [rows, cols]."""
    outputs = session.infer(cube=scene.cube[np.newaxis], outputs=["scores"])
    (scores,) = outputs.values()
    return scores.reshape(scene.cube.shape[:2])


def train_deep_svdd(client: Client, scene: Scene, overrides: list[str]) -> tuple[Detection, Detection]:
    """Both phases, saved, and restored in a session of its own: scores before and after the gradient phase."""
    with client.session() as session:
        config = session.resolve("trainrun", "deep_svdd", overrides=overrides)
        session.set_trainrun(config)
        follow(session, "statistical")
        before = detect(session, scene)
        losses = follow(session, "gradient")
        console.print(f"loss         {losses[0]:.4f} in the first step, {losses[-1]:.4f} in the last")
        trained = detect(session, scene)
        saved = session.save_pipeline("demo/deep_svdd")
        trainrun = session.save_trainrun("demo/deep_svdd_trainrun")
        for path in (saved.pipeline_path, saved.weights_path, trainrun.trainrun_path):
            console.print(f"saved        {path}")
    with client.restore(trainrun.trainrun_path) as restored:
        scores = detect(restored, scene)
        if not np.array_equal(scores, trained):
            raise click.ClickException("the restored detector gives other scores than the trained one")
        console.print("restored     in a new session, scores identical")
    return Detection(name="Deep SVDD before the gradient phase", scores=before), Detection(
        name="Deep SVDD", scores=scores
    )


def train_rx(client: Client, scene: Scene, overrides: list[str]) -> Detection:
    """The classical detector beside it."""
    with client.session() as session:
        session.set_trainrun(session.resolve("trainrun", "rx", overrides=overrides))
        follow(session, "statistical")
        return Detection(name="RX", scores=detect(session, scene))


def picture(scene: Scene, detections: list[Detection], path: Path) -> None:
    """False colour, ground truth and score maps side by side, as a PNG."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415 - after the backend is chosen

    figure, axes = plt.subplots(1, 2 + len(detections), figsize=(4 * (2 + len(detections)), 4.4), layout="constrained")
    axes[0].imshow(false_colour(scene.cube, scene.wavelengths))
    axes[0].set_title(f"{scene.name}, false colour")
    axes[1].imshow(_mask(scene) > 0, cmap="gray")
    axes[1].set_title("ground truth")
    for axis, detection in zip(axes[2:], detections, strict=True):
        ranks = rankdata(detection.scores.ravel()).reshape(detection.scores.shape) / detection.scores.size
        axis.imshow(ranks**8, cmap="inferno")
        axis.set_title(f"{detection.name}, ROC AUC {roc_auc(detection.scores, _mask(scene)):.3f}")
    for axis in axes:
        axis.set_axis_off()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _mask(scene: Scene) -> NDArray[np.int32]:
    if scene.mask is None:
        raise click.ClickException(f"{scene.name} has no ground truth (`map` or `mask`), so nothing can be measured")
    return scene.mask


@contextlib.contextmanager
def _server(address: str | None, folder: Path) -> Iterator[str]:
    if address is not None:
        yield address
        return
    dashboard = folder / "dashboard.url"
    arguments = ["--artifacts", str(folder / "artifacts"), "--data", str(folder), "--dashboard-file", str(dashboard)]
    with local_server(folder / "server.log", arguments) as started:
        console.print(f"dashboard    {dashboard.read_text().strip()} shows the trainings while this runs")
        yield started


@click.command(epilog="Examples: nox -s demo; nox -s demo -- --data san_diego.mat")
@click.option(
    "--data", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Scene with ground truth. [generated]"
)
@click.option(
    "--output",
    default=Path("outputs/demo"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder for what is written.",
)
@click.option(
    "--server", "address", help="Train on a server that runs already, which must see the output folder as a data root."
)
@click.option("--epochs", type=click.IntRange(1), help="Epochs of the gradient phase. [as configured]")
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of the scene and of the training."
)
def main(*, data: Path | None, output: Path, address: str | None, epochs: int | None, seed: int) -> None:
    """Train Deep SVDD and RX remotely on a hyperspectral scene and print the ROC AUC of each."""
    started = time.monotonic()
    output = output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    scene = read_scene(data) if data else generate_scene(SceneSpec(seed=seed))
    truth = _mask(scene)
    write_scene(output / "scene.npz", scene)
    rows, cols, bands = scene.cube.shape
    console.print(
        f"scene        {scene.name}: {rows} x {cols} pixels, {bands} bands, {int((truth > 0).sum())} anomalous pixels"
    )
    overrides = ["data=file", f"data.path={output / 'scene.npz'}", f"training.seed={seed}"]
    if epochs is not None:
        overrides.append(f"training.trainer.max_epochs={epochs}")
    with _server(address, output) as server, Client(server) as client:
        console.print(f"server       {server}")
        before, deep_svdd = train_deep_svdd(client, scene, overrides)
        rx = train_rx(client, scene, overrides)
    picture(scene, [deep_svdd, rx], output / "detections.png")
    for detection in (before, deep_svdd, rx):
        console.print(f"{detection.name}: ROC AUC {roc_auc(detection.scores, truth):.3f}")
    console.print(f"picture      {output / 'detections.png'}")
    if address is None:
        console.print(f"look again   catenary serve --only telemetry --telemetry {output / 'telemetry'}")
    console.print(f"finished in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
