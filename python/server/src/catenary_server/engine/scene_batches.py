"""Scenes cut into tiles and grouped into batches of one shape."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

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


class Share(NamedTuple):
    """Which of the processes that train together this one is."""

    rank: int
    of: int


WHOLE = Share(0, 1)
"""Of a process that trains alone."""


class SceneBatches:
    """Batches of tiles; each pass over them shuffles anew if asked to.

    Args:
        scenes: what to cut.
        data: tile size, batch size and number of loading processes.
        seed: of the order; None keeps the tiles in place.
        share: which part of every pass to give, for several processes that train together.
    """

    def __init__(self, scenes: Sequence[Scene], data: DataConfig, *, seed: int | None, share: Share = WHOLE) -> None:
        tiles = _Tiles(scenes, data.tile_size)
        self._sampler = _ShapeGroups(tiles, data.batch_size, seed, share)
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
        """One pass; after `resize`, what is left of it in batches of the new size."""
        self._sampler.begin_pass()
        return self._pass()

    def _pass(self) -> Iterator[Batch]:
        sampler = self._sampler
        while sampler.remaining:
            plan = sampler.plan
            for batch in self._loader:
                sampler.given += 1
                yield batch
                if sampler.plan is not plan:
                    break  # what the loading processes have read ahead is not of the new size

    @property
    def remaining(self) -> int:
        """Batches that the present pass has not given yet."""
        return self._sampler.remaining

    @property
    def batch_size(self) -> int:
        """Tiles in a batch."""
        return self._sampler.batch_size

    def resize(self, batch_size: int) -> None:
        """Cut what is left of the present pass, and every later one, into batches of another size."""
        self._sampler.resize(batch_size)

    @property
    def generator_state(self) -> torch.Tensor | None:
        """State of the order's random numbers between two passes, uint8; None if tiles keep their places."""
        return None if self._sampler.generator is None else self._sampler.generator.get_state()

    def restore_generator(self, state: torch.Tensor) -> None:
        """Go on where another run of the same data was between two passes."""
        if self._sampler.generator is not None:
            self._sampler.generator.set_state(state)


def open_batches(
    data: DataConfig | None, stage: Stage, *, seed: int | None = None, share: Share = WHOLE
) -> SceneBatches:
    """The batches of a split.

    Raises:
        Failure: CONFIG_INVALID without data, DATASET_NOT_FOUND, DATASET_INVALID, READER_UNAVAILABLE.
    """
    if data is None:
        description = "a run needs data: name a data configuration in the trainrun"
        raise Failure(Reason.CONFIG_INVALID, description, violations=(Violation("data", description),))
    return SceneBatches(_open_scenes(data, stage), data, seed=seed, share=share)


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
    """Batches of tile numbers, each of one form. `given` of the present pass have been used."""

    def __init__(self, tiles: _Tiles, batch_size: int, seed: int | None, share: Share) -> None:
        self._tiles = tiles
        self._share = share
        self.batch_size = batch_size
        self.generator = None if seed is None else torch.Generator().manual_seed(seed)
        self.plan: list[list[int]] = []
        self.given = 0

    def __len__(self) -> int:
        """Batches in a whole pass at the present size."""
        return len(self._batched(range(len(self._tiles))))

    def begin_pass(self) -> None:
        """Put the batches in order; not in `__iter__`, which a loader may call more than once in a pass."""
        groups = self._groups(range(len(self._tiles))).values()
        shuffled = [place for group in groups for place in self._shuffled(group)]
        self.plan, self.given = self._shuffled(self._batched(shuffled)), 0

    @property
    def remaining(self) -> int:
        """Batches of the present pass that were not used yet."""
        return len(self.plan) - self.given

    def resize(self, batch_size: int) -> None:
        """Cut what was not used yet anew, in the order that it has."""
        left = [place for batch in self.plan[self.given :] for place in batch]
        self.batch_size = batch_size
        self.plan, self.given = self._batched(left), 0

    def __iter__(self) -> Iterator[list[int]]:
        rank, of = self._share
        # Every process takes its part of every batch, so that all make the same steps; none is left without a tile.
        return iter([batch[rank::of] or batch[:1] for batch in self.plan[self.given :]])

    def _groups(self, places: Sequence[int]) -> dict[tuple[object, ...], list[int]]:
        groups: dict[tuple[object, ...], list[int]] = {}
        for place in places:
            groups.setdefault(self._tiles.form(place), []).append(place)
        return groups

    def _batched(self, places: Sequence[int]) -> list[list[int]]:
        size = self.batch_size
        return [
            group[start : start + size]
            for group in self._groups(places).values()
            for start in range(0, len(group), size)
        ]

    def _shuffled(self, items: list[Item]) -> list[Item]:
        if self.generator is None:
            return items
        return [items[place] for place in torch.randperm(len(items), generator=self.generator).tolist()]


def _stacked(tiles: list[Batch]) -> Batch:
    return {name: torch.stack([tile[name] for tile in tiles]) for name in tiles[0]}
