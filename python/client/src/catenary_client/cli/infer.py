"""`catenary infer`: a saved pipeline on the measurements of a file."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from catenary_client.cli import exit_codes
from catenary_client.cli.connecting import Link, with_server
from catenary_client.cli.scene_files import PROCESSING_MODES, scene_files
from catenary_client.errors import NotFoundError
from catenary_client.scene_inputs import scene_inputs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from catenary_client.client import Client, Session

WEIGHTS_SUFFIX = ".safetensors"


@click.command(
    epilog=f"""
Examples:

\b
  catenary infer scene.npz --pipeline svdd --output scores.npz
  catenary infer Demo_000.cu3s --pipeline svdd.yaml --weights svdd.pt --processing-mode Raw
  catenary infer scene.npz --session 5dKq0v --outputs deep_svdd_scores.scores --json

{exit_codes.HELP}
"""
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--pipeline", metavar="PATH", help="Saved pipeline on the server.")
@click.option("--weights", metavar="PATH", help="Its weights. [the .safetensors beside the pipeline]")
@click.option("--session", "session_id", metavar="ID", help="Use the pipeline of this session instead.")
@click.option("--override", "overrides", multiple=True, metavar="KEY=VALUE", help="Change the pipeline; repeatable.")
@click.option("--processing-mode", type=click.Choice(PROCESSING_MODES, case_sensitive=False),
              help="How stored values become the cube. [Reflectance for .cu3s, else Raw]")  # fmt: skip
@click.option("--outputs", multiple=True, metavar="NODE.PORT", help="Output wanted; repeatable. [exit ports]")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path),
              help="Write the arrays there as .npz, numbered when there are several measurements.")  # fmt: skip
@with_server
def infer(
    link: Link,
    *,
    file: Path,
    pipeline: str | None,
    weights: str | None,
    session_id: str | None,
    overrides: tuple[str, ...],
    processing_mode: str | None,
    outputs: tuple[str, ...],
    output: Path | None,
) -> None:
    """Run a pipeline on every measurement of a scene file of this machine."""
    if (pipeline is None) == (session_id is None):
        raise click.UsageError("name either --pipeline or --session")
    with scene_files() as scenes:
        mode = None if processing_mode is None else scenes.ProcessingMode(processing_mode)
        measurements = scenes.read_measurements(file, mode)
        with _ready(link.client, session_id, pipeline or "", weights, overrides) as session:
            specs = session.inputs()
            for index, scene in enumerate(measurements):
                result = session.infer(scene_inputs(scene, specs), outputs=outputs)
                written = _written(output, index, len(measurements), result)
                document = {
                    "measurement": scene.name,
                    "outputs": {name: _described(array) for name, array in result.items()},
                    "metrics": result.metrics,
                    "file": None if written is None else str(written),
                }
                lines = [f"  {name}: shape={array.shape}, dtype={array.dtype}" for name, array in result.items()]
                lines += [f"  {name}: {value:.6g}" for name, value in result.metrics.items()]
                lines += [] if written is None else [f"  written to {written}"]
                link.output.show(document, scene.name, *lines)
    link.output.say(f"Processed {len(measurements)} measurements")


@contextlib.contextmanager
def _ready(
    client: Client, session_id: str | None, pipeline: str, weights: str | None, overrides: tuple[str, ...]
) -> Iterator[Session]:
    """A session with the pipeline: the one named, or one for as long as this lasts."""
    if session_id is not None:
        yield client.attach(session_id)
        return
    with client.session() as session:
        session.load_pipeline(session.resolve("pipeline", pipeline, overrides))
        try:
            session.load_weights(weights or pipeline.removesuffix(".yaml") + WEIGHTS_SUFFIX)
        except NotFoundError as error:
            if weights:
                raise
            advice = (
                f"the pipeline {pipeline} was never trained and saved: `catenary train` does both with --pipeline-out, "
                "or name weights with --weights"
            )
            raise NotFoundError(dataclasses.replace(error.failure, message=advice), error.method) from error
        yield session


def _written(path: Path | None, index: int, count: int, arrays: dict[str, NDArray[Any]]) -> Path | None:
    if path is None:
        return None
    target = path if count == 1 else path.with_stem(f"{path.stem}_{index:03d}")
    with target.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # names of ports are no parameter names
    return target


def _described(array: NDArray[Any]) -> dict[str, Any]:
    """What can be said of an array without printing it."""
    facts: dict[str, Any] = {"shape": list(array.shape), "dtype": array.dtype.name}
    if array.size:
        facts |= {"min": array.min().item(), "mean": array.mean().item(), "max": array.max().item()}
    return facts
