"""Writes numbers and pictures of steps to a folder: one line of JSON each, pictures as PNG beside them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import time
from typing import TYPE_CHECKING, Any

from matplotlib import image as pictures

from catenary_server.domain.failure import Failure, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where in the life of a pipeline something was seen."""

    stage: str
    epoch: int | None
    step: int


class StepLog:
    """A record that grows by lines, `<name>.jsonl`, with its pictures in `<name>_tiles/`.

    Nothing is kept open between writes: the record is whole at any time, and a copy of the log goes on with the same
    files.

    Args:
        folder: made with the first line.
        name: of the record.
        comment: stands in a line of its own at the beginning of what this log writes.
        max_tiles: pictures to keep; the next one replaces the oldest.
    """

    def __init__(self, folder: Path, name: str, comment: str, max_tiles: int) -> None:
        # A name comes from a client, and must stay one file of the folder.
        safe = "".join(each if each.isalnum() or each in "-_" else "_" for each in name)
        self._path = folder / f"{safe}.jsonl"
        self._tiles = folder / f"{safe}_tiles"
        self._comment = comment
        self._max_tiles = max_tiles
        self._written = 0
        self._begun = False

    def write_numbers(self, place: Place, numbers: Mapping[str, float]) -> None:
        """Append one line for each number; those that JSON lacks are words: `NaN`, `Infinity`, `-Infinity`.

        Raises:
            Failure: STORAGE_IO.
        """
        self._append([_line(place, name, value=_jsonable(value)) for name, value in numbers.items()])

    def write_tiles(self, place: Place, tiles: Mapping[str, NDArray[Any]]) -> None:
        """Write pictures, [h, w] or [h, w, 3] in [0, 1], and append one line for each.

        Raises:
            Failure: STORAGE_IO.
        """
        lines = []
        for name, tile in tiles.items():
            file = self._tiles / f"{self._written % self._max_tiles:04d}.png"
            with _storage_faults():
                self._tiles.mkdir(parents=True, exist_ok=True)
                pictures.imsave(file, tile, cmap="inferno", vmin=0, vmax=1)
            self._written += 1
            lines.append(_line(place, name, tile=f"{self._tiles.name}/{file.name}"))
        self._append(lines)

    def _append(self, lines: list[str]) -> None:
        if not lines:
            return
        if not self._begun and self._comment:
            lines = [json.dumps({"comment": self._comment, "time": time.time()}), *lines]
        with _storage_faults():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write("".join(f"{line}\n" for line in lines))
        self._begun = True


@contextlib.contextmanager
def _storage_faults() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Failure(Reason.STORAGE_IO, f"the record of a monitor cannot be written: {error.strerror}") from error


def _line(place: Place, name: str, **content: float | str) -> str:
    entry = {"name": name, **content, **dataclasses.asdict(place), "time": time.time()}
    return json.dumps(entry, allow_nan=False)


def _jsonable(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
