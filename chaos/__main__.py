"""`python -m chaos telemetry [--fault NAME] [--repeats N] [--seed N]`: exit code 1, with the seed, if a check fails."""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from pathlib import Path

from chaos.faults import FAULTS, Outcome, suffer
from chaos.processes import Broken


def main() -> int:
    """Run the faults that the command line names, or all."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("area", choices=["telemetry"], help="what is broken")
    parser.add_argument("--fault", action="append", choices=[*FAULTS], help="repeatable; all if none")
    parser.add_argument("--repeats", type=int, default=20, help="how often each fault happens (default 20)")
    parser.add_argument("--quick", action="store_true", help="3 times")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of a run to make again")
    arguments = parser.parse_args()
    repeats = 3 if arguments.quick else arguments.repeats
    print(f"seed {arguments.seed}", flush=True)
    failed = [name for name in arguments.fault or FAULTS if not _survives(name, repeats, arguments.seed)]
    if failed:
        again = " ".join(f"--fault {name}" for name in failed)
        print(f"FAILED; to do it again: python -m chaos telemetry --seed {arguments.seed} --repeats {repeats} {again}")
    return int(bool(failed))


def _survives(name: str, repeats: int, seed: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        try:
            outcome = suffer(name, Path(folder), repeats=repeats, seed=seed)
        except Broken as broken:
            print(f"{name}: BROKEN: {broken}", flush=True)
            return False
    seconds = outcome.recoveries
    print(
        f"{name}: {repeats} times; {outcome.messages} messages of {outcome.steps} steps, none acknowledged was lost, "
        f"doubled or out of order; {_missing(outcome)}; all stored again after "
        f"{statistics.median(seconds):.2f} s (median), {max(seconds):.2f} s (most)",
        flush=True,
    )
    return True


def _missing(outcome: Outcome) -> str:
    """What nobody had promised to keep."""
    found = [
        f"{outcome.lost} steps never left a killed trainer" if outcome.lost else "",
        f"images of {outcome.dropped} steps had no room, as the log says" if outcome.dropped else "",
    ]
    return ", ".join(filter(None, found)) or "nothing is missing"


if __name__ == "__main__":
    sys.exit(main())
