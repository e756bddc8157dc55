"""The training loop that every tool is logged from, timed."""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from benchmarks.peers.workload import batches

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """One training: what it logs, how long, how fast.

    Attributes:
        kind: `images`: sixteen tiles and two scalars for each step, never waiting if the tool lets one choose;
            `sustained`: the same, waiting instead of leaving anything out; `scalars`: two scalars.
        steps: how many.
        rate: steps a second; 0 as fast as possible.
    """

    kind: str
    steps: int
    rate: float

    @classmethod
    def parse(cls, text: str) -> Job:
        """The job of `KIND:STEPS:RATE`."""
        kind, steps, rate = text.split(":")
        return cls(kind, int(steps), float(rate))

    def __str__(self) -> str:
        """The text of the command line."""
        return f"{self.kind}:{self.steps}:{self.rate:g}"


class Writer(Protocol):
    """A tool, ready to log one training."""

    def images(self, step: int, tiles: list[bytes], loss: float, accuracy: float) -> None:
        """Log a step with tiles."""
        ...

    def scalars(self, step: int, loss: float, accuracy: float) -> None:
        """Log a step without."""
        ...

    def finish(self) -> dict[str, float]:
        """Wait until everything is where the tool keeps it; figures of the tool's own."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What a job took.

    Attributes:
        blocking: seconds that each step's log call took.
        seconds: from the first step until everything was where the tool keeps it.
        cpu_seconds: processor time of the training process, with the loop's own.
        image_bytes: bytes of all tiles.
        late: steps that began later than one period after their time.
        figures: the tool's own.
    """

    blocking: list[float]
    seconds: float
    cpu_seconds: float
    image_bytes: int
    late: int
    figures: dict[str, float]


def main(open_writer: Callable[[Job, Path, str], Writer]) -> None:
    """Do the jobs of the command line; print one line of JSON for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("tiles", type=Path)
    parser.add_argument("folder", type=Path, help="each job writes into a folder of its own in it")
    parser.add_argument("target", help="address of the tool's server")
    parser.add_argument("jobs", nargs="+", type=Job.parse, metavar="KIND:STEPS:RATE")
    arguments = parser.parse_args()
    for job in arguments.jobs:
        folder = arguments.folder / str(job).replace(":", "-")
        folder.mkdir(parents=True)
        outcome = _train(job, open_writer(job, folder, arguments.target), arguments.tiles)
        print(json.dumps(dataclasses.asdict(outcome)), flush=True)


def _train(job: Job, writer: Writer, tiles_folder: Path) -> Outcome:
    source = batches(tiles_folder)
    blocking: list[float] = []
    size = late = 0
    begin_cpu, begin = time.process_time(), time.perf_counter()
    for step in range(job.steps):
        tiles = [] if job.kind == "scalars" else next(source)
        size += sum(map(len, tiles))
        late += _wait_for(step, job.rate, begin)
        loss, accuracy = 1 / (step + 1), step / job.steps
        before = time.perf_counter()
        if tiles:
            writer.images(step, tiles, loss, accuracy)
        else:
            writer.scalars(step, loss, accuracy)
        blocking.append(time.perf_counter() - before)
    figures = writer.finish()
    seconds, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
    return Outcome(blocking, seconds, cpu, size, late, figures)


def _wait_for(step: int, rate: float, begin: float) -> int:
    """Wait until it is time for a step; 1 if that was more than a period ago."""
    if not rate:
        return 0
    ahead = begin + step / rate - time.perf_counter()
    if ahead > 0:
        time.sleep(ahead)
    return int(ahead < -1 / rate)
