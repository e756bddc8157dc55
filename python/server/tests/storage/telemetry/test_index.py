from __future__ import annotations

import math
import resource
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenary_server.domain.failure import Failure
from catenary_server.domain.telemetry import Command, CommandType
from catenary_server.domain.telemetry_store import CommandRow, IndexChange, IndexedRun, ScalarRow
from catenary_server.storage.telemetry.index import SqliteIndex

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteIndex]:
    index = SqliteIndex(tmp_path / "index.sqlite")
    yield index
    index.close()


def rows(values: list[float], name: str = "x") -> list[ScalarRow]:
    return [ScalarRow(name, step, step + 1, 0, step * 10, value) for step, value in enumerate(values)]


async def test_runs_come_back_as_they_were_written(index: SqliteIndex) -> None:
    await index.write([IndexChange("a", 1, 0, "one"), IndexChange("b", 2, 9, "two")])
    await index.write([IndexChange("a", 3, 0, "three")])
    assert sorted(await index.runs(), key=lambda run: run.key) == [
        IndexedRun("a", 3, 0, "three"),
        IndexedRun("b", 2, 9, "two"),
    ]


@given(
    values=st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=60),
    most_points=st.integers(1, 70),
)
async def test_points_keep_the_extremes_of_the_samples_they_stand_for(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], most_points: int
) -> None:
    index = SqliteIndex(tmp_path_factory.mktemp("index") / "index.sqlite")
    await index.write([IndexChange("run", 1, 0, "", rows(values))])
    (series,) = await index.series("run", ["x"], (None, None), most_points)
    index.close()
    merged = series.samples_per_point
    assert len(series.steps) == math.ceil(len(values) / merged) <= most_points
    assert merged == 1 or len(values) > most_points
    for point, step in enumerate(series.steps):
        part = [value for value in values[point * merged : (point + 1) * merged] if not math.isnan(value)]
        assert (step, series.times_ms[point]) == (point * merged, point * merged * 10)
        assert series.minimums[point] == (min(part) if part else None)
        assert series.maximums[point] == (max(part) if part else None)
    assert series.sample_count == len(values)


async def test_a_range_of_steps_includes_both_ends(index: SqliteIndex) -> None:
    await index.write([IndexChange("run", 1, 0, "", rows([0.0, 1.0, 2.0, 3.0]))])
    (series,) = await index.series("run", ["x"], (1, 2), 100)
    assert series.minimums == (1.0, 2.0)


async def test_what_is_written_again_is_there_once(index: SqliteIndex) -> None:
    change = IndexChange("run", 1, 0, "", rows([0.0, 1.0]))
    await index.write([change])
    await index.write([change])
    (series,) = await index.series("run", ["x"], (None, None), 100)
    assert series.sample_count == 2


async def test_an_unknown_metric_is_empty(index: SqliteIndex) -> None:
    (series,) = await index.series("run", ["x"], (None, None), 100)
    assert (series.metric_name, series.steps, series.sample_count) == ("x", (), 0)


async def test_commands_come_back_with_their_results(index: SqliteIndex) -> None:
    command = Command("c", CommandType.ADJUST_BATCH_SIZE, 32, 1.0, 2.0)
    await index.write([IndexChange("run", 1, 0, "", [], [CommandRow("c", command, None)])])
    assert await index.command("run", "c") == CommandRow("c", command, None)
    await index.write([IndexChange("run", 2, 0, "", [], [CommandRow("c", None, b"result")])])
    assert await index.command("run", "c") == CommandRow("c", command, b"result")
    assert await index.command("run", "d") is None


async def test_a_removed_run_leaves_nothing(index: SqliteIndex) -> None:
    await index.write([IndexChange("run", 1, 0, "", rows([0.0])), IndexChange("other", 1, 0, "", rows([5.0]))])
    await index.remove("run")
    assert [run.key for run in await index.runs()] == ["other"]
    await index.write([IndexChange("run", 1, 0, "", rows([], "y"))])
    assert (await index.series("run", ["x"], (None, None), 9))[0].sample_count == 0
    assert (await index.series("other", ["x"], (None, None), 9))[0].minimums == (5.0,)


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be read as one" * 20, b""])
async def test_a_damaged_index_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "index.sqlite"
    path.write_bytes(content)
    index = SqliteIndex(path)
    assert await index.runs() == []
    index.close()


async def test_an_index_of_another_version_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    index = SqliteIndex(path)
    await index.write([IndexChange("run", 1, 0, "")])
    index._writer.execute("PRAGMA user_version = 99")
    index.close()
    index = SqliteIndex(path)
    assert await index.runs() == []
    index.close()


async def test_what_a_full_disk_kept_from_the_index_can_be_written_later(index: SqliteIndex) -> None:
    await index.write([IndexChange("run", 1, 0, "before", rows([1.0]))])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        for _ in range(2):
            with pytest.raises(Failure):
                await index.write([IndexChange("run", 2, 0, "after", rows([1.0, 2.0], "new"))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [run.state for run in await index.runs()] == ["before"]
    await index.write([IndexChange("run", 2, 0, "after", rows([1.0, 2.0], "new"))])
    (series,) = await index.series("run", ["new"], (None, None), 10)
    assert list(series.minimums) == [1.0, 2.0]
