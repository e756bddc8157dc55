"""Checks the contract: format, lint, breaking changes of shape, drift, breaking changes of promises.

Exit status: 0 when all is well, 100 when something is found, 1 when a check could not be made; buf uses the same.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from catenary_tools import baseline, drift, generation, semantic_diff, third_party

FINE, UNABLE, FOUND = 0, 1, 100

Check = Callable[[Path], int]


def check_format(root: Path) -> int:
    """Compare the protos with what ``buf format`` writes."""
    return _buf(root, "format", "proto", "--diff", "--exit-code")


def check_lint(root: Path) -> int:
    """Lint the protos; no rule is switched off."""
    return _buf(root, "lint")


def check_breaking(root: Path) -> int:
    """Compare shapes with the baseline: what buf finds."""
    before = baseline.find(root)
    if before is None:
        return _no_baseline()
    with tempfile.TemporaryDirectory() as folder:
        against = Path(folder, "baseline.binpb")
        against.write_bytes(before.image)
        return _buf(root, "breaking", "proto", "--against", str(against))


def check_drift(root: Path) -> int:
    """Compare the generated files with what the protos generate."""
    return _report(drift.differences(root), hint="run `nox -s generate` and commit what it writes")


def check_promises(root: Path) -> int:
    """Compare promises with the baseline: what buf does not look at."""
    before = baseline.find(root)
    if before is None:
        return _no_baseline()
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder, "contract.binpb")
        generation.build_image(root, image)
        findings = semantic_diff.compare(before.image, image.read_bytes())
    harmless = sum(not finding.breaking for finding in findings)
    print(f"  against {before.revision}: {harmless} harmless differences")
    return _report([str(finding) for finding in findings if finding.breaking], hint="clients rely on these promises")


CHECKS: dict[str, Check] = {
    "format": check_format,
    "lint": check_lint,
    "breaking": check_breaking,
    "drift": check_drift,
    "promises": check_promises,
}


def run(root: Path, names: Sequence[str]) -> int:
    """Make the checks called ``names`` and return the greatest status, where UNABLE counts least but for FINE."""
    third_party.fetch(root)
    return max(_run_one(root, name) for name in names)


def _run_one(root: Path, name: str) -> int:
    print(f"{name} ...", flush=True)
    try:
        status = CHECKS[name](root)
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"  {error}", file=sys.stderr)
        status = UNABLE
    print(f"{name}: {'ok' if status == FINE else 'FOUND' if status == FOUND else 'could not check'}", flush=True)
    return status


def _buf(root: Path, *arguments: str) -> int:
    try:
        generation.buf(root, *arguments)
    except subprocess.CalledProcessError as error:
        return FOUND if error.returncode == FOUND else UNABLE
    return FINE


def _report(lines: list[str], *, hint: str) -> int:
    for line in lines:
        print(f"  {line}")
    if lines:
        print(f"  {hint}")
    return FOUND if lines else FINE


def _no_baseline() -> int:
    print("  nothing to compare with yet: no earlier commit has a contract")
    return FINE


def main(arguments: Sequence[str]) -> int:
    """Make the checks that ``arguments`` name, or all of them."""
    unknown = [name for name in arguments if name not in CHECKS]
    if unknown:
        print(f"no such check: {', '.join(unknown)}; there are {', '.join(CHECKS)}", file=sys.stderr)
        return UNABLE
    return run(Path.cwd(), arguments or list(CHECKS))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
