from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
import torch
from trainruns import SMALL_DATA

from catenary_scenes import SceneSpec, generate_scene, write_scene
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.training import DataConfig, Stage
from catenary_server.engine.scene_batches import open_batches

if TYPE_CHECKING:
    from pathlib import Path


def test_tiles_cover_every_pixel_once_and_batches_have_one_shape() -> None:
    data = dataclasses.replace(SMALL_DATA, tile_size=7, batch_size=2)
    batches = list(open_batches(data, Stage.TRAIN))
    assert len(batches) == len(open_batches(data, Stage.TRAIN))
    assert sum(batch["cube"][..., 0].numel() for batch in batches) == 24 * 24
    assert all(batch["mask"].shape == batch["cube"].shape[:3] for batch in batches)
    assert all(batch["wavelengths"].shape == (len(batch["cube"]), 12) for batch in batches)


def test_each_pass_shuffles_anew_and_a_seed_repeats_the_passes() -> None:
    def passes(seed: int | None) -> list[torch.Tensor]:
        batches = open_batches(SMALL_DATA, Stage.TRAIN, seed=seed)
        return [torch.cat([batch["cube"] for batch in batches]) for _ in range(2)]

    first, second = passes(1)
    again, _ = passes(1)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    still, unchanged = passes(None)
    assert torch.equal(still, unchanged)


@pytest.mark.parametrize(
    ("stage", "paths", "seen"),
    [
        (Stage.TRAIN, ("a", "b", "c"), "a"),
        (Stage.VALIDATE, ("a", "b", "c"), "b"),
        (Stage.TEST, ("a", "b", "c"), "c"),
        (Stage.VALIDATE, ("a", None, None), "a"),
        (Stage.TEST, ("a", "b", None), "b"),
    ],
)
def test_each_split_reads_its_file_or_the_one_before(
    tmp_path: Path, stage: Stage, paths: tuple[str | None, ...], seen: str
) -> None:
    for bands, name in enumerate("abc", start=4):
        write_scene(tmp_path / f"{name}.npz", generate_scene(SceneSpec(rows=40, cols=40, bands=bands)))
    path, validation, test = (None if name is None else str(tmp_path / f"{name}.npz") for name in paths)
    data = DataConfig(path=path or "", validation_path=validation, test_path=test)
    (batch, *_) = open_batches(data, stage)
    assert batch["cube"].shape[-1] == 4 + "abc".index(seen)


def test_faults_of_files_name_the_file_but_not_its_folder(tmp_path: Path) -> None:
    (tmp_path / "broken.npz").write_bytes(b"no scene")
    for name, reason in (("missing.npz", Reason.DATASET_NOT_FOUND), ("broken.npz", Reason.DATASET_INVALID)):
        with pytest.raises(Failure) as caught:
            open_batches(DataConfig(path=str(tmp_path / name)), Stage.TRAIN)
        assert caught.value.reason is reason
        assert name in caught.value.message
        assert str(tmp_path) not in caught.value.message
