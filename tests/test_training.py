"""Training over gRPC against a real server: what only processes that can be killed and runs that go on can show."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from catenary_client import Client, NotFoundError, PreconditionError
from catenary_client.errors import CatenaryError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catenary_client import Session, TrainProgress

SMALL = ["data.synthetic.rows=32", "data.synthetic.cols=32"]
LONG = [*SMALL, "training.trainer.max_epochs=100000"]

TRAINING_CLIENT = textwrap.dedent(
    """
    import sys
    from catenary_client import Client

    address, session_id, cancel = sys.argv[1:]
    with Client(address) as client:
        for event in client.attach(session_id).train("gradient", cancel_on_disconnect=cancel == "cancel"):
            print(event.sequence, flush=True)
    """
)


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server) as connected:
        yield connected


def prepared(session: Session, overrides: list[str], name: str = "deep_svdd") -> Session:
    """A session whose statistics are fitted."""
    session.set_trainrun(session.resolve("trainrun", name, overrides))
    list(session.train("statistical"))
    return session


def told(events: list[TrainProgress]) -> list[tuple[object, ...]]:
    return [
        (event.stage, event.epoch, event.global_step, event.losses, event.metrics) for event in events if event.losses
    ]


def train_and_die(server: str, session: Session, policy: str) -> int:
    """Train from a process that is killed after its third event; the number of that event."""
    command = [sys.executable, "-c", TRAINING_CLIENT, server, session.session_id, policy]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        *_, last = itertools.islice(process.stdout, 3)
        process.send_signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
    return int(last)


def test_a_run_goes_on_when_its_client_is_killed_and_another_attaches(client: Client, server: str) -> None:
    with client.session() as session:
        prepared(session, LONG)
        seen = train_and_die(server, session, "continue")
        events = session.train("gradient")
        attached = list(itertools.islice(events, 20))
        events.close()
        assert attached[0].sequence >= seen
        sequences = [event.sequence for event in attached]
        assert sequences == list(range(sequences[0], sequences[0] + 20))
        assert session.stop()
        assert [event.status for event in session.watch()][-1] == "CANCELLED"


def test_a_run_that_is_to_end_with_its_client_ends_when_that_is_killed(client: Client, server: str) -> None:
    with client.session() as session:
        prepared(session, LONG)
        train_and_die(server, session, "cancel")
        last = list(session.watch())[-1]
        assert last.status == "CANCELLED"
        assert last.failure is not None
        assert last.failure.reason == "TRAIN_CANCELLED"
        session.infer(cube=np.zeros((1, 4, 4, 96), np.float32))


def test_a_stop_ends_the_run_within_the_batch_under_way(client: Client) -> None:
    with client.session() as session:
        prepared(session, LONG)
        events = session.train("gradient")
        next(events)
        assert session.stop()
        answered = dt.datetime.now(dt.UTC)
        rest = list(events)
        # The stop was heard before its answer: at most the step under way then is still reported. Times tell, not
        # sequence numbers: what was reported before may still be on its way to whoever numbers it.
        later = [event for event in rest if event.event_time > answered and event.status == "IN_PROGRESS"]
        assert len(later) <= 1
        assert rest[-1].status == "CANCELLED"


def test_one_seed_gives_the_same_losses_in_another_session(client: Client) -> None:
    def losses(seed: int) -> list[tuple[object, ...]]:
        with client.session() as session:
            overrides = [*SMALL, "training.trainer.max_epochs=2", f"training.seed={seed}"]
            return told(list(prepared(session, overrides, "channel_selector").train("gradient")))

    first = losses(5)
    assert len(first) > 2
    assert losses(5) == first
    assert losses(6) != first


def test_a_run_is_taken_up_from_its_checkpoint_in_another_session(client: Client, artifact_root: Path) -> None:
    overrides = [
        *SMALL,
        "training.trainer.max_epochs=3",
        "output_dir=runs/resumed",
        "training.callbacks.checkpoint={monitor: val_auroc, mode: max}",
    ]
    with client.session() as session:
        config = session.resolve("trainrun", "channel_selector", overrides).values
    whole_run = config | {"output_dir": "runs/whole"}
    first_epoch = _with_training(config, max_epochs=1)
    resuming = _with_training(config, max_epochs=3, resume_from="runs/resumed/checkpoints/last")
    with client.session() as session:
        session.set_trainrun(whole_run)
        list(session.train("statistical"))
        whole = list(session.train("gradient"))
    with client.session() as session:
        session.set_trainrun(first_epoch)
        list(session.train("statistical"))
        begun = list(session.train("gradient"))
    assert "Checkpoint saved: runs/resumed/checkpoints/last.safetensors" in [event.message for event in begun]
    with client.session() as session:
        session.set_trainrun(resuming)
        resumed = list(session.train("gradient"))
        assert told(begun) + told(resumed) == told(whole)
        with pytest.raises(CatenaryError) as refused:
            list(session.train("gradient", training_config=_with_training(config, max_epochs=1)["training"] | RESUME))
        assert refused.value.reason == "CONFIG_INVALID"
        session.load_weights("runs/whole/checkpoints/best")
    files = {path.name for path in artifact_root.rglob("runs/resumed/checkpoints/*")}
    assert files == {"last.safetensors", "best.safetensors"}


RESUME = {"resume_from": "runs/resumed/checkpoints/last"}


def _with_training(config: dict[str, Any], *, max_epochs: int, resume_from: str | None = None) -> dict[str, Any]:
    training = config["training"]
    trainer = training["trainer"] | {"max_epochs": max_epochs}
    return config | {"training": training | {"trainer": trainer, "resume_from": resume_from}}


@pytest.mark.slow
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processor cores")
def test_two_processes_share_a_run_and_end_with_it(client: Client) -> None:
    shared = ["training.trainer.accelerator=cpu", "training.trainer.devices=2", "data.batch_size=4"]
    with client.session() as session:
        prepared(session, [*SMALL, *shared, "training.trainer.max_epochs=2"])
        events = list(session.train("gradient"))
        assert events[-1].message == "Training complete (2 epochs)"
        assert [event.epoch for event in events if event.stage == "VALIDATE"] == [0, 1]
        session.set_trainrun(session.resolve("trainrun", "deep_svdd", [*LONG, *shared]))
        list(session.train("statistical"))
        running = session.train("gradient")
        next(running)
        assert session.stop()
        assert list(running)[-1].status == "CANCELLED"
        session.infer(cube=np.zeros((1, 4, 4, 96), np.float32))
        many = session.resolve("trainrun", "deep_svdd", [*SMALL, "training.trainer.devices=64"]).values
        with pytest.raises(CatenaryError) as refused:
            list(session.train("gradient", training_config=many["training"]))
        assert refused.value.reason == "CONFIG_INVALID"
        assert [each.subject for each in refused.value.violations] == ["training.trainer.devices"]


def test_a_checkpoint_that_is_not_there_is_said_before_the_run(client: Client) -> None:
    with client.session() as session:
        prepared(session, SMALL)
        config = session.resolve("trainrun", "deep_svdd", SMALL).values["training"] | {"resume_from": "runs/nowhere"}
        with pytest.raises(NotFoundError):
            list(session.train("gradient", training_config=config))


def test_nodes_are_measured_while_a_run_goes_on(client: Client, server: str) -> None:
    with client.session() as session:
        with pytest.raises(PreconditionError):
            session.set_profiling(True)
        prepared(session, LONG)
        assert session.profile() == []
        assert session.set_profiling(True, skip_first_n=1)
        events = session.train("gradient")
        steps = [event for event in itertools.islice(events, 12) if event.stage == "TRAIN"]
        found = {times.node: times for times in session.profile("train")}
        assert found["projection"].count >= len(steps) - 1
        for times in found.values():
            assert 0 < times.min_ms <= times.median_ms <= times.max_ms
            assert times.total_ms == pytest.approx(times.count * times.mean_ms)
        shown = _catenary(server, "profile", "show", session.session_id, "--stage", "train", "--json")
        assert {row["node"] for row in shown["nodes"]} == set(found)
        assert _catenary(server, "profile", "off", session.session_id, "--json") == {"profiling_enabled": False}
        kept = session.profile("train")
        next(events)
        next(events)
        assert session.profile("train") == kept
        assert session.set_profiling(True, reset=True)
        session.stop()
        list(events)
        events.close()


def _catenary(server: str, *arguments: str) -> Any:
    command = [sys.executable, "-m", "catenary_client.cli", *arguments, "--server", server]
    answered = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=dict(os.environ))
    return json.loads(answered.stdout)


def test_frozen_nodes_are_the_same_bytes_after_training(client: Client, artifact_root: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    with client.session() as session:
        prepared(
            session, [*SMALL, "training.trainer.max_epochs=1", "freeze_nodes=[projection]", "unfreeze_nodes=[pca]"]
        )
        saved = [session.save_pipeline("frozen/before")]
        list(session.train("gradient"))
        saved.append(session.save_pipeline("frozen/after"))
    before, after = (safetensors.load_file(next(artifact_root.rglob(each.weights_path))) for each in saved)
    assert before["projection.weight"].tobytes() == after["projection.weight"].tobytes()
    assert before["pca.components"].tobytes() != after["pca.components"].tobytes()
