"""`python -m benchmarks NAME [--quick] [--row ROW] [--save]`: measure, print tables, and keep the figures if asked."""

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
    parser.add_argument("--row", action="append", help="measure only this part of a bench that has several; repeatable")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(names)
    if unknown:
        parser.error(f"there is no bench {', '.join(sorted(unknown))}")
    if arguments.row and arguments.save:
        parser.error("a report with only some rows is not kept: leave --save or --row out")
    for name in arguments.names or names:
        bench = importlib.import_module(f"benchmarks.{name}")
        rows = getattr(bench, "ROWS", ())
        if not set(arguments.row or ()).issubset(rows):
            parser.error(f"the rows of {name} are {', '.join(rows) or 'not told apart'}")
        report = bench.run(quick=arguments.quick, **({"rows": arguments.row} if arguments.row else {}))
        print(f"\n{report}")
        if arguments.save:
            print(f"\nsaved {report.save().relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
