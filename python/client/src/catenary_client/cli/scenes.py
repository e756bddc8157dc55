"""`catenary scenes`: scene files of this machine, made and looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from catenary_client.cli.connecting import output_option
from catenary_client.cli.output import Output, facts
from catenary_client.cli.png import png_bytes
from catenary_client.cli.scene_files import PROCESSING_MODES, scene_files

if TYPE_CHECKING:
    from catenary_client.scene_inputs import SceneLike


@click.group()
def scenes() -> None:
    """Generate and show hyperspectral scenes; needs no server."""


@scenes.command(epilog="Example: catenary scenes generate scene.npz --seed 7 --anomalies 20")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same scene.")
@click.option("--rows", type=int, default=96, show_default=True, help="Pixels.")
@click.option("--cols", type=int, default=96, show_default=True, help="Pixels.")
@click.option("--bands", type=int, default=96, show_default=True, help="Spectral bands from 400 to 1000 nm.")
@click.option("--anomalies", type=int, default=14, show_default=True, help="Implanted clusters.")
@output_option
def generate(file: Path, *, seed: int, rows: int, cols: int, bands: int, anomalies: int, as_json: bool) -> None:
    """Write a synthetic scene with ground truth to FILE: .npz, .mat or ENVI .hdr."""
    output = Output(as_json=as_json)
    with scene_files() as package:
        spec = package.SceneSpec(seed=seed, rows=rows, cols=cols, bands=bands, anomalies=anomalies)
        scene = package.generate_scene(spec)
        package.write_scene(file, scene)
    output.show({"file": str(file), **_document(scene)}, facts(_rows(scene)), f"written to {file}")


@scenes.command(epilog="Example: catenary scenes show scene.hdr --png scene.png")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--png", type=click.Path(dir_okay=False, path_type=Path), help="Write a false-colour picture there.")
@click.option("--processing-mode", type=click.Choice(PROCESSING_MODES, case_sensitive=False),
              help="How stored values become the cube. [Reflectance for .cu3s, else Raw]")  # fmt: skip
@output_option
def show(file: Path, png: Path | None, processing_mode: str | None, *, as_json: bool) -> None:
    """Show what a scene file holds; with several measurements, the first one."""
    output = Output(as_json=as_json)
    with scene_files() as package:
        mode = None if processing_mode is None else package.ProcessingMode(processing_mode)
        measurements = package.read_measurements(file, mode)
        scene = measurements[0]
        if png is not None:
            known = scene.wavelengths if scene.has_wavelengths else None
            png.write_bytes(png_bytes(package.false_colour(scene.cube, known)))
    document = {"measurements": len(measurements), **_document(scene), "png": None if png is None else str(png)}
    rows = [("measurements", str(len(measurements))), *_rows(scene), ("picture", "" if png is None else str(png))]
    output.show(document, facts(rows))


def _document(scene: SceneLike) -> dict[str, object]:
    wavelengths = [float(scene.wavelengths[0]), float(scene.wavelengths[-1])] if scene.has_wavelengths else None
    return {
        "shape": list(scene.cube.shape),
        "wavelengths_nm": wavelengths,
        "min": float(scene.cube.min()),
        "max": float(scene.cube.max()),
        "anomalous_pixels": None if scene.mask is None else int(np.count_nonzero(scene.mask)),
    }


def _rows(scene: SceneLike) -> list[tuple[str, str]]:
    rows, cols, bands = scene.cube.shape
    truth = "none" if scene.mask is None else f"{np.count_nonzero(scene.mask)} anomalous pixels"
    known = f", {scene.wavelengths[0]:.0f} to {scene.wavelengths[-1]:.0f} nm" if scene.has_wavelengths else ""
    return [
        ("size", f"{rows} x {cols} pixels, {bands} bands{known}"),
        ("values", f"{scene.cube.min():.4g} to {scene.cube.max():.4g}"),
        ("ground truth", truth),
    ]
