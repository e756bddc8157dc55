"""The measurements of a file, read one at a time."""

from collections.abc import Callable, Sequence
from typing import overload

from catenary_scenes.scene import Scene


class Measurements(Sequence[Scene]):
    """Sequence of the scenes in one file; each access reads its scene, nothing is kept.

    Args:
        count: number of measurements, at least 1.
        load: reads the measurement at an index from 0 to count - 1.
    """

    def __init__(self, count: int, load: Callable[[int], Scene]) -> None:
        self._indices = range(count)
        self._load = load

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> Scene: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Scene]: ...
    def __getitem__(self, index: int | slice) -> Scene | Sequence[Scene]:
        if isinstance(index, slice):
            chosen = self._indices[index]
            return Measurements(len(chosen), lambda at: self._load(chosen[at]))
        return self._load(self._indices[index])


def joined(parts: Sequence[Measurements]) -> Measurements:
    """The scenes of several sequences one after the other."""
    places = [(part, index) for part in parts for index in range(len(part))]
    return Measurements(len(places), lambda at: places[at][0][places[at][1]])


def measurement_name(stem: str, index: int, count: int) -> str:
    """The file's stem, numbered when the file holds several measurements: `Demo_002`."""
    return stem if count == 1 else f"{stem}_{index:03d}"
