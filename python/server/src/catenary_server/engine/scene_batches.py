"""Scenes cut into tiles and grouped into batches of one shape."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from catenary_scenes import (
    ProcessingMode,
    ReaderUnavailable,
    Scene,
    SceneError,
    SceneNotFound,
    SceneSpec,
    Tile,
    generate_scene,
    read_measurements,
    tile_scene,
)
from catenary_server.domain.failure import Failure, Reason, Resource, Violation
from catenary_server.domain.training import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catenary_server.domain.training import DataConfig
    from catenary_server.engine.pipeline_module import Batch

Item = TypeVar("Item")


class SceneBatches:
    """Batches of tiles; each pass over them shuffles anew if asked to.

    Args:
        scenes: what to cut.
        data: tile size, batch size and number of loading processes.
        seed: of the order; None keeps the tiles in place.
    """

    def __init__(self, scenes: Sequence[Scene], data: DataConfig, *, seed: int | None) -> None:
        tiles = _Tiles(scenes, data.tile_size)
        self._sampler = _ShapeGroups(tiles, data.batch_size, seed)
        workers = _loading_processes(data.num_workers)
        self._loader: DataLoader[Batch] = DataLoader(
            tiles,
            batch_sampler=self._sampler,
            collate_fn=_stacked,
            num_workers=workers,
            persistent_workers=workers > 0,
            generator=torch.Generator().manual_seed(seed or 0),
        )

    def __len__(self) -> int:
        """Batches in a pass."""
        return len(self._sampler)

    def __iter__(self) -> Iterator[Batch]:
        """One pass."""
        self._sampler.begin_pass()
        return iter(self._loader)


def open_batches(data: DataConfig | None, stage: Stage, *, seed: int | None = None) -> SceneBatches:
    """The batches of a split.

    Raises:
        Failure: CONFIG_INVALID without data, DATASET_NOT_FOUND, DATASET_INVALID, READER_UNAVAILABLE.
    """
    if data is None:
        description = "a run needs data: name a data configuration in the trainrun"
        raise Failure(Reason.CONFIG_INVALID, description, violations=(Violation("data", description),))
    return SceneBatches(_open_scenes(data, stage), data, seed=seed)


def _open_scenes(data: DataConfig, stage: Stage) -> tuple[Scene, ...]:
    path = Path(_split_path(data, stage))
    try:
        if data.source == "synthetic":
            made = data.synthetic
            return (generate_scene(SceneSpec(seed=made.seed, rows=made.rows, cols=made.cols, bands=made.bands)),)
        mode = None if data.processing_mode is None else ProcessingMode(data.processing_mode)
        return tuple(read_measurements(path, mode))
    except SceneError as error:
        # The client knows the file by its name, not by where the server keeps it.
        message = str(error).replace(str(path), path.name)
        raise Failure(_reason(error), message, resource=Resource("dataset", path.name)) from error


def _split_path(data: DataConfig, stage: Stage) -> str:
    if stage is Stage.TRAIN:
        return data.path
    validation = data.validation_path or data.path
    return validation if stage is Stage.VALIDATE else data.test_path or validation


def _reason(error: SceneError) -> Reason:
    if isinstance(error, SceneNotFound):
        return Reason.DATASET_NOT_FOUND
    return Reason.READER_UNAVAILABLE if isinstance(error, ReaderUnavailable) else Reason.DATASET_INVALID


def _loading_processes(wanted: int) -> int:
    """No more than there are cores, and none in a process that may not have children."""
    if multiprocessing.current_process().daemon:
        return 0
    return min(wanted, len(os.sched_getaffinity(0)))


class _Tiles(Dataset["Batch"]):
    """Tiles of all scenes, as views of their cubes."""

    def __init__(self, scenes: Sequence[Scene], tile_size: int | None) -> None:
        self._scenes = scenes
        self._places: list[tuple[int, Tile]] = [
            (index, tile)
            for index, scene in enumerate(scenes)
            for tile in tile_scene((scene.rows, scene.cols), tile_size)
        ]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Batch:
        scene, tile = self._scenes[self._places[index][0]], self._places[index][1]
        area = (slice(tile.row, tile.row + tile.rows), slice(tile.col, tile.col + tile.cols))
        batch = {"cube": torch.from_numpy(scene.cube[area])}
        if scene.mask is not None:
            batch["mask"] = torch.from_numpy(scene.mask[area])
        if scene.has_wavelengths:
            batch["wavelengths"] = torch.from_numpy(scene.wavelengths)
        return batch

    def form(self, index: int) -> tuple[object, ...]:
        """What tiles of one batch have in common."""
        scene, tile = self._scenes[self._places[index][0]], self._places[index][1]
        return tile.rows, tile.cols, scene.bands, scene.mask is None, scene.has_wavelengths


class _ShapeGroups(Sampler[list[int]]):
    """Batches of tile numbers, each of one form."""

    def __init__(self, tiles: _Tiles, batch_size: int, seed: int | None) -> None:
        self._groups: dict[tuple[object, ...], list[int]] = {}
        for index in range(len(tiles)):
            self._groups.setdefault(tiles.form(index), []).append(index)
        self._batch_size = batch_size
        self._generator = None if seed is None else torch.Generator().manual_seed(seed)
        self._batches: list[list[int]] = []

    def __len__(self) -> int:
        return sum(-(-len(group) // self._batch_size) for group in self._groups.values())

    def begin_pass(self) -> None:
        """Put the batches in order; not in `__iter__`, which a loader may call more than once in a pass."""
        size = self._batch_size
        batches = [
            group[start : start + size]
            for group in map(self._shuffled, self._groups.values())
            for start in range(0, len(group), size)
        ]
        self._batches = self._shuffled(batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._batches)

    def _shuffled(self, items: list[Item]) -> list[Item]:
        if self._generator is None:
            return items
        return [items[place] for place in torch.randperm(len(items), generator=self._generator).tolist()]


def _stacked(tiles: list[Batch]) -> Batch:
    return {name: torch.stack([tile[name] for tile in tiles]) for name in tiles[0]}
