"""The example on real images against the real server, watched and steered from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from catenary_client import Client

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    Command = Callable[..., subprocess.CompletedProcess[str]]
    Start = Callable[..., subprocess.Popen[str]]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "telemetry_digits.py"
EPOCHS = 400
"""More than the test lets it train: it is stopped."""

pytest.importorskip("sklearn", reason="has the digits")
pytest.importorskip("torch", reason="trains the classifier")


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        yield line.rstrip("\n")


def until(documents: Iterator[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(document for document in documents if document["kind"] == kind)


@pytest.mark.slow
def test_the_digits_are_watched_and_steered_from_the_command_line(
    telemetry_server: str, catenary: Command, started: Start, tmp_path: Path
) -> None:
    arguments = ["--server", telemetry_server, "--epochs", str(EPOCHS), "--spill", str(tmp_path / "spill")]
    trainer = started(str(EXAMPLE), *arguments)
    said = lines(trainer)
    run_id = next(said).removeprefix("run ")
    watch = ["-m", "catenary_client.cli", "watch", run_id, "--server", telemetry_server, "--from-start"]
    documents = map(json.loads, lines(started(*watch, "--json")))
    plain = lines(started(*watch))
    assert until(documents, "batch_data")["batch_data"]["batch_size"] == 32

    def command(*words: str) -> dict[str, Any]:
        called = catenary(telemetry_server, "command", run_id, *words, "--json")
        assert called.returncode == 0, called.stdout
        outcome: dict[str, Any] = json.loads(called.stdout)
        assert outcome["state"] == "APPLIED"
        return outcome

    paused = command("pause")
    assert (paused["old"], paused["new"]) == ("RUNNING", "PAUSED")
    rate, size = command("lr", "0.05"), command("batch-size", "64")
    assert (rate["old"], rate["new"], size["old"], size["new"]) == (0.1, 0.05, 32, 64)
    assert rate["applied_at_step"] == size["applied_at_step"] == paused["applied_at_step"]
    refused = catenary(telemetry_server, "command", run_id, "lr", "7")
    assert refused.returncode == 1
    assert "COMMAND_INVALID" in refused.stderr
    command("resume")
    # The next batch is the first of the new size, or the rest of an epoch, which may be smaller than either size.
    batches = (document["batch_data"] for document in documents if document["kind"] == "batch_data")
    following = next(batch for batch in batches if int(batch["global_step"]) > size["applied_at_step"])
    assert int(following["global_step"]) == size["applied_at_step"] + 1
    assert following["batch_size"] == 64 or next(batches)["batch_size"] == 64
    command("stop")
    assert trainer.wait() == 0
    assert list(said)[-1].startswith("complete: True")
    assert until(documents, "run_ended")["run_ended"]["status"] == "TRAINING_STATUS_CANCELLED"
    seen = "\n".join(plain)
    assert f"command lr 0.05 applied at step {rate['applied_at_step']}: 0.1 -> 0.05" in seen
    assert "batches/s" in seen
    assert "the run has ended: CANCELLED" in seen.splitlines()[-1]
    with Client(telemetry_server) as client:
        run = client.get_run(run_id)
        assert (run.status, run.dropped, run.config.class_names[:2]) == ("CANCELLED", {}, ["0", "1"])
        assert len(catenary(telemetry_server, "runs", "show", run_id).stdout.splitlines()) > len(run.metric_names)
        assert client.delete_run(run_id) > 0
        assert client.list_runs() == []
