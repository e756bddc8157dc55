"""G1, G2, G3, G10: what a log call costs the training thread, how fast it gets to the disk, and what it takes there."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import statistics
from typing import TYPE_CHECKING

from benchmarks.peers.environments import NotRun, Peer
from benchmarks.peers.loop import Job
from benchmarks.report import Goal, Table, quantile
from benchmarks.serving.telemetry import catenary_telemetry, processor_seconds, rerun_server

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.peers.loop import Outcome
    from benchmarks.serving.processes import Served

OURS = "catenary -> server, fsynced"
RERUN = "rerun -> its server's memory"
RERUN_FILE = "rerun -> file"
TENSORBOARD = "tensorboard, no tensorflow -> file"
_WARM = 10
_MICRO = 1e6
_WAYS = ("paced", "flat out", "sustained", "scalars")
_TIMED = ("paced", "flat out", "scalars")
_KEPT = {RERUN: "server's memory", OURS: "disk, fsynced"}


@dataclasses.dataclass(slots=True)
class Samples:
    """What rounds of one tool gave: for each way of logging, the outcomes; or why there are none."""

    outcomes: dict[str, list[Outcome]] = dataclasses.field(default_factory=lambda: {way: [] for way in _WAYS})
    disk: list[float] = dataclasses.field(default_factory=list)
    server_cpu: list[float] = dataclasses.field(default_factory=list)
    missing: str = ""

    def blocking(self, way: str, share: float) -> float:
        """Median over rounds of a quantile of the microseconds of a log call."""
        rounds = [quantile(outcome.blocking[_WARM:], share) for outcome in self.outcomes[way]]
        return statistics.median(rounds) * _MICRO

    def rate(self, way: str) -> float:
        """Median over rounds of steps a second, to where the tool keeps them."""
        return statistics.median(len(outcome.blocking) / outcome.seconds for outcome in self.outcomes[way])

    def cpu(self, way: str) -> float:
        """Median over rounds of milliseconds of processor time for a step, in the training process."""
        return statistics.median(1e3 * outcome.cpu_seconds / len(outcome.blocking) for outcome in self.outcomes[way])


def measure(tiles: Path, folder: Path, *, quick: bool) -> tuple[list[Table], list[Goal]]:
    """All tools, in turn, in each round."""
    samples: dict[str, Samples] = {}
    for number in range(2 if quick else 5):
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(catenary_telemetry(folder / f"{number}-server"))
            peers = [Peer(OURS, "catenary", target=server.address)]
            try:
                address = stack.enter_context(rerun_server(folder / f"{number}-rerun"))
            except NotRun as error:
                samples.setdefault(RERUN, Samples()).missing = str(error)
            else:
                peers.append(Peer(RERUN, "rerun", "rerun", address))
            for peer in (*peers, *_FILES):
                found = samples.setdefault(peer.title, Samples())
                if not found.missing:
                    place = folder / f"{number}-{peer.program}-{peer.target[:4]}"
                    _round(peer, found, tiles, place, server if peer.title == OURS else None, quick=quick)
                if peer.title == OURS and not found.missing:
                    found.disk.append(_stored(folder / f"{number}-server" / "runs") / _image_bytes(found))
                print(f"round {number + 1}: {peer.title}{' not run' if found.missing else ''}", flush=True)
        for path in folder.glob(f"{number}-*"):
            shutil.rmtree(path)
    return _tables(samples), _goals(samples)


_FILES = (
    Peer(RERUN_FILE, "rerun", "rerun", "file"),
    Peer(TENSORBOARD, "tensorboard", "tensorboard"),
    Peer("tensorboard, tensorflow -> file", "tensorflow", "tensorflow"),
    Peer("wandb offline, own JPEG encoding -> file", "wandb", "wandb"),
)
_SLOW = ("tensorboard", "tensorflow", "wandb")


def _round(peer: Peer, samples: Samples, tiles: Path, folder: Path, server: Served | None, *, quick: bool) -> None:
    """All ways of one tool; `server` is ours."""
    slow = peer.program in _SLOW
    steps = (30 if quick else 60) if slow else (100 if quick else 240)
    sustained = steps if slow else (300 if quick else 600)
    images = [Job("images", steps, 60), Job("images", steps, 0), Job("sustained", sustained, 0)]
    scalars = Job("scalars", 1000 if quick else 5000, 0)
    before = processor_seconds(server.process_id) if server else 0.0
    try:
        outcomes = peer.run(tiles, folder / "images", images)
        taken = _bytes_below(folder / "images")
        spent = processor_seconds(server.process_id) - before if server else 0.0
        outcomes += peer.run(tiles, folder / "scalars", [scalars])
    except NotRun as error:
        samples.missing = str(error)
        return
    for way, outcome in zip(_WAYS, outcomes, strict=True):
        samples.outcomes[way].append(outcome)
    if server:
        samples.server_cpu.append(1e3 * spent / (2 * steps + sustained))
    else:
        samples.disk.append(taken / _image_bytes(samples))


def _image_bytes(samples: Samples) -> int:
    return sum(samples.outcomes[way][-1].image_bytes for way in _WAYS)


def _stored(folder: Path) -> int:
    """Bytes that our server keeps of the runs with images: their logs."""
    return sum(path.stat().st_size for path in (folder / "runs").glob("images*/*.seg"))


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _tables(samples: dict[str, Samples]) -> list[Table]:
    run = {title: each for title, each in samples.items() if not each.missing}
    blocking: tuple[tuple[str | float, ...], ...] = tuple(
        (
            title,
            *(each.blocking(way, share) for way in _TIMED for share in (0.5, 0.99)),
        )
        for title, each in run.items()
    )
    rates = tuple(
        (
            title,
            _KEPT.get(title, "file"),
            each.rate("sustained"),
            each.rate("scalars"),
            each.cpu("sustained"),
            _disk(each),
        )
        for title, each in run.items()
    )
    absent = tuple((title, each.missing.replace("\n", " | ")[-200:]) for title, each in samples.items() if each.missing)
    rounds = max((len(each.outcomes["paced"]) for each in run.values()), default=0)
    ways = ("16 images at 60/s", "16 images flat out", "2 scalars flat out")
    columns = ("tool", *(f"{way}, {share}" for way in ways for share in ("p50", "p99")))
    title = f"Microseconds that a log call takes of the training thread (medians of {rounds} rounds, in turn)"
    found = [
        Table(title, columns, blocking),
        Table(
            "To where the tool keeps it",
            ("tool", "kept in", "image steps/s", "scalar steps/s", "trainer CPU ms/image step", "disk / image bytes"),
            rates,
        ),
    ]
    return [*found, Table("Not run", ("tool", "why"), absent)] if absent else found


def _disk(samples: Samples) -> float | str:
    return statistics.median(samples.disk) if samples.disk and max(samples.disk) > 0 else "-"


def _goals(samples: dict[str, Samples]) -> list[Goal]:
    ours = samples[OURS]
    if ours.missing:
        return [Goal(f"ours did not run: {ours.missing}", 1, 0)]
    goals = [
        Goal("G3: server CPU, ms per image step", statistics.median(ours.server_cpu), 1.5),
        Goal("G10: disk over image bytes", statistics.median(ours.disk), 1.01),
    ]

    def against(title: str, label: str, way: str, share: float, least: float) -> None:
        peer = samples.get(title)
        if peer is not None and not peer.missing:
            ratio = peer.blocking(way, share) / ours.blocking(way, share)
            goals.append(Goal(f"{label}, {title.partition(' ->')[0]} / ours", ratio, least, at_most=False))

    against(RERUN, "G1: image step at 60/s, p50", "paced", 0.5, 50)
    against(RERUN, "G1: image step at 60/s, p99", "paced", 0.99, 20)
    against(RERUN, "G1: image step flat out, p50", "flat out", 0.5, 50)
    against(RERUN, "G1: image step flat out, p99", "flat out", 0.99, 20)
    against(TENSORBOARD, "G1: image step flat out, p50", "flat out", 0.5, 2000)
    against(RERUN, "G2: scalar step, p50", "scalars", 0.5, 20)
    against(RERUN, "G2: scalar step, p99", "scalars", 0.99, 15)
    goals += _rate_goals(samples)
    return goals


def _rate_goals(samples: dict[str, Samples]) -> Sequence[Goal]:
    peer = samples.get(RERUN_FILE)
    if peer is None or peer.missing:
        return []
    ratio = samples[OURS].rate("sustained") / peer.rate("sustained")
    return [Goal("G3: image steps/s, ours fsynced / rerun -> file, not synced", ratio, 1.5, at_most=False)]
