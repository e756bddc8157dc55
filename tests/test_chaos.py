"""Telemetry stands up to faults at random moments; `nox -s chaos -- telemetry` does the same more often."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chaos.faults import FAULTS
from chaos.ledger import Stored
from chaos.processes import Broken

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_acknowledged_is_lost_doubled_or_out_of_order_after(fault: str) -> None:
    command = [sys.executable, "-m", "chaos", "telemetry", "--fault", fault]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{fault}: 20 times" in ran.stdout
    print(ran.stdout)  # noqa: T201 - the seed, for those who look


def test_a_log_with_everything_once_and_in_order_passes() -> None:
    stored = Stored([1, 2, 3], [1, 2], [1, 2])
    stored.check_order()
    stored.check_complete(2)
    stored.check_begins_with(Stored([1], [], [1]))


def test_images_may_be_missing_where_the_log_says_so() -> None:
    Stored([1, 2, 3], [2], [1, 2], bare=[1], dropped=1).check_complete(2)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (Stored([1, 3], [1, 2], [1, 2]), "sequences: 1 of 2 are missing"),
        (Stored([1, 1, 2], [1, 2], [1, 2]), "sequences: 1 of 3 are missing .*, 1 are there twice"),
        (Stored([2, 1], [1, 2], [1, 2]), "sequences"),
        (Stored([1, 2], [1, 1, 2], [1, 2]), "batches: step 1 came behind 1"),
        (Stored([1, 2], [2, 1], [1, 2]), "batches: step 1 came behind 2"),
        (Stored([1, 2], [1, 2], [2]), "scalars: 1 of 2 are missing"),
        (Stored([1, 2], [1], [1, 2]), "batches: 1 of 2 are missing"),
        (Stored([1, 2], [1, 2], [1, 2], bare=[2]), "batches: .* 1 are there twice"),
        (Stored([1, 2], [1], [1, 2], bare=[2]), "1 batches have no images, and gaps speak of 0"),
        (Stored([1, 2], [1, 2], [1, 2], dropped=1), "0 batches have no images, and gaps speak of 1"),
    ],
)
def test_a_log_is_refused_in_which_a_record_is_missing_doubled_or_out_of_order(stored: Stored, message: str) -> None:
    def check() -> None:
        stored.check_order()
        stored.check_complete(2)

    with pytest.raises(Broken, match=message):
        check()


def test_a_log_is_refused_that_lost_what_it_had() -> None:
    with pytest.raises(Broken, match="batches that were stored"):
        Stored([1, 2], [2], [1]).check_begins_with(Stored([1], [1], [1]))
