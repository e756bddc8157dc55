"""`python -m benchmarks NAME [--quick] [--save]`: measure, print tables, and keep the figures if asked."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

_NOT_BENCHES = {"__main__", "report", "echo_engine"}


def main() -> None:
    """Run the benches that the command line names, or all."""
    names = sorted({path.stem for path in Path(__file__).parent.glob("*.py")} - _NOT_BENCHES)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"benches to run, all if none: {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/NAME-MACHINE.json")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(names)
    if unknown:
        parser.error(f"there is no bench {', '.join(sorted(unknown))}")
    for name in arguments.names or names:
        report = importlib.import_module(f"benchmarks.{name}").run(quick=arguments.quick)
        print(f"\n{report}")
        if arguments.save:
            print(f"\nsaved {report.save().relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
