from __future__ import annotations

import io

import pytest
from rich.console import Console
from scripted_server import complete_run

from catenary.v1.training_pb2 import TRAIN_STATUS_IN_PROGRESS, TrainResponse
from catenary_client.cli.output import Output
from catenary_client.cli.progress import follow, position
from catenary_client.results import TrainProgress


@pytest.fixture
def output() -> Output:
    made = Output(as_json=False)
    made.console = Console(file=io.StringIO(), force_terminal=True, width=140, highlight=False)
    return made


def written(output: Output) -> str:
    assert isinstance(output.console.file, io.StringIO)
    return output.console.file.getvalue()


def test_a_terminal_shows_a_bar_with_the_newest_values(output: Output) -> None:
    last = follow(output, "gradient", [TrainProgress.of(event) for event in complete_run()])
    assert last is not None
    assert last.status == "COMPLETED"
    assert "4/4" in written(output)
    assert "svdd_loss 0.25  iou 0.25" in written(output)
    assert written(output).endswith("gradient: Training complete (4 epochs)\n")


def test_a_run_without_events_is_none(output: Output) -> None:
    assert follow(output, "gradient", []) is None


@pytest.mark.parametrize(
    ("epochs", "batches", "expected"),
    [
        pytest.param((0, 0), (3, 5), (3, 5), id="batches of a pass"),
        pytest.param((0, 0), (3, 0), (3, None), id="an unknown number of batches"),
        pytest.param((1, 4), (1, 2), (1.5, 4), id="within an epoch"),
        pytest.param((2, 4), (2, 2), (2, 4), id="at the end of an epoch"),
        pytest.param((4, 4), (1, 2), (4, 4), id="never beyond the last"),
    ],
)
def test_a_bar_moves_with_batches_and_epochs(
    epochs: tuple[int, int], batches: tuple[int, int], expected: tuple[float, float | None]
) -> None:
    event = TrainResponse(
        status=TRAIN_STATUS_IN_PROGRESS,
        epochs_done=epochs[0],
        epochs_total=epochs[1],
        batches_done=batches[0],
        batches_total=batches[1],
    )
    assert position(TrainProgress.of(event)) == expected
