from __future__ import annotations

import copy
import json
import math
import multiprocessing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from fitting import make
from matplotlib import image
from torch import distributed

from catenary_server.domain.failure import Failure, Reason
from catenary_server.nodes.telemetry_monitor import TelemetryMonitor

if TYPE_CHECKING:
    from pathlib import Path


def lines(folder: Path, name: str = "record") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def values(folder: Path) -> list[tuple[Any, ...]]:
    return [tuple(line[key] for key in ("name", "value", "stage", "epoch", "step")) for line in lines(folder)]


def test_numbers_are_recorded_by_stage_epoch_and_step(tmp_path: Path) -> None:
    node = make(TelemetryMonitor, output_dir=str(tmp_path)).train()
    for epoch in range(2):
        node.begin_epoch(epoch, 2)
        node(metrics={"a.value": torch.tensor(0.5 + epoch), "b.loss": torch.tensor(2.0)})
    node.eval()(metrics={"a.value": torch.tensor(3.0)})
    assert values(tmp_path) == [
        ("a.value", 0.5, "train", 0, 0),
        ("b.loss", 2.0, "train", 0, 0),
        ("a.value", 1.5, "train", 1, 1),
        ("b.loss", 2.0, "train", 1, 1),
        ("a.value", 3.0, "inference", None, 0),
    ]


def test_a_copy_goes_on_in_the_same_record_and_a_run_begins_anew(tmp_path: Path) -> None:
    node = make(TelemetryMonitor, output_dir=str(tmp_path)).train()
    node(metrics={"a.value": torch.tensor(1.0)})
    other = copy.deepcopy(node)
    other(metrics={"a.value": torch.tensor(2.0)})
    other.begin_epoch(0, 1)
    other(metrics={"a.value": torch.tensor(3.0)})
    assert [entry[-1] for entry in values(tmp_path)] == [0, 1, 0]


def test_numbers_that_json_lacks_are_words(tmp_path: Path) -> None:
    node = make(TelemetryMonitor, output_dir=str(tmp_path))
    node(metrics={str(index): torch.tensor(each) for index, each in enumerate([math.nan, math.inf, -math.inf])})
    assert [line["value"] for line in lines(tmp_path)] == ["NaN", "Infinity", "-Infinity"]


def test_one_step_in_so_many_is_recorded(tmp_path: Path) -> None:
    node = make(TelemetryMonitor, output_dir=str(tmp_path), every=3)
    for step in range(7):
        node(metrics={"a.value": torch.tensor(float(step))})
    assert [line["value"] for line in lines(tmp_path)] == [0, 3, 6]


def test_pictures_are_stretched_thinned_and_kept_up_to_a_number(tmp_path: Path) -> None:
    node = make(TelemetryMonitor, output_dir=str(tmp_path), tile_size=4, max_tiles=2)
    colours = torch.zeros(2, 8, 6, 3)
    colours[0, 0, 0] = torch.tensor([5.0, 0.0, 10.0])
    for _ in range(3):
        node(artifacts={"rgb.image": colours})
    tiles = sorted((tmp_path / "record_tiles").iterdir())
    assert [tile.name for tile in tiles] == ["0000.png", "0001.png"]
    found = image.imread(tiles[0])[..., :3]
    assert found.shape == (4, 3, 3)
    np.testing.assert_allclose(found[0, 0], [0.5, 0, 1], atol=1 / 255)
    assert [line["tile"] for line in lines(tmp_path)] == [
        f"record_tiles/{each}.png" for each in ("0000", "0001", "0000")
    ]


@pytest.mark.parametrize("value", [1.0, float("nan")])
def test_score_maps_without_contrast_can_be_shown(tmp_path: Path, value: float) -> None:
    make(TelemetryMonitor, output_dir=str(tmp_path))(artifacts={"rx.scores": torch.full((1, 5, 5, 1), value)})
    assert (tmp_path / "record_tiles" / "0000.png").is_file()


def test_the_name_of_a_record_stays_in_its_folder_and_the_comment_comes_first(tmp_path: Path) -> None:
    node = make(TelemetryMonitor, output_dir=str(tmp_path / "in"), run_name="../../up", comment="a try")
    node(metrics={"a.value": torch.tensor(1.0)})
    node(metrics={"a.value": torch.tensor(1.0)})
    assert [place.name for place in tmp_path.iterdir()] == ["in"]
    (record,) = (tmp_path / "in").iterdir()
    assert record.name == "______up.jsonl"
    assert [line.get("comment") for line in lines(tmp_path / "in", "______up")] == ["a try", None, None]


def test_a_folder_that_cannot_be_made_is_reported_without_its_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Failure) as caught:
        make(TelemetryMonitor, output_dir=str(tmp_path / "file"))(metrics={"a.value": torch.tensor(1.0)})
    assert caught.value.reason is Reason.STORAGE_IO
    assert str(tmp_path) not in caught.value.message


def test_nothing_connected_records_nothing(tmp_path: Path) -> None:
    assert make(TelemetryMonitor, output_dir=str(tmp_path / "out"))() == {}
    assert not (tmp_path / "out").exists()


def _record_as(rank: int, folder: Path) -> None:
    """One of two processes that share a run."""
    meeting = (folder / "meeting").as_uri()
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    try:
        make(TelemetryMonitor, output_dir=str(folder)).train()(metrics={"a.value": torch.tensor(float(rank))})
        distributed.barrier()
    finally:
        distributed.destroy_process_group()


def test_processes_that_share_a_run_write_one_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    other = multiprocessing.get_context("fork").Process(target=_record_as, args=(1, tmp_path))
    other.start()
    _record_as(0, tmp_path)
    other.join(60)
    assert other.exitcode == 0
    assert values(tmp_path) == [("a.value", 0.0, "train", None, 0)]
