"""`catenary train`: a train run from configuration to saved pipeline."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from catenary_client.cli import exit_codes
from catenary_client.cli.configs import search_path_option
from catenary_client.cli.connecting import Link, all_overrides, override_arguments, with_server
from catenary_client.cli.progress import follow, stopping_on_interrupt

if TYPE_CHECKING:
    from catenary_client.client import Session
    from catenary_client.results import ResolvedConfig, TrainProgress
    from catenary_client.training import Phase


@click.command(
    epilog=f"""
Examples:

\b
  catenary train rx data.path=scene.npz
  catenary train deep_svdd training.trainer.max_epochs=50 training.optimizer.lr=0.0005 --pipeline-out svdd
  catenary train channel_selector pipeline.nodes.channel_selector.params.tau_start=8.0 --json

The first interrupt stops the run after its batch and saves nothing, the second one leaves at once.

{exit_codes.HELP}
"""
)
@click.argument("trainrun")
@override_arguments
@click.option("--phase", type=click.Choice(["both", "statistical", "gradient"]), default="both", show_default=True,
              help="What to train; `both` leaves out gradients where the train run has no losses.")  # fmt: skip
@click.option("--pipeline-out", metavar="PATH", help="Save pipeline and weights there on the server.")
@click.option("--trainrun-out", metavar="PATH", help="Save the train run there on the server.")
@click.option("--device", default="", help="Device of the server, for example cuda:0.")
@click.option("--keep-session", is_flag=True, help="Leave the session open and print its id.")
@search_path_option
@with_server
def train(
    link: Link,
    *,
    trainrun: str,
    overrides: tuple[str, ...],
    more_overrides: tuple[str, ...],
    search_paths: tuple[str, ...],
    phase: str,
    pipeline_out: str | None,
    trainrun_out: str | None,
    device: str,
    keep_session: bool,
) -> int:
    """Train the pipeline of a train run configuration on the server."""
    checked = all_overrides(overrides, more_overrides)
    session = link.client.session(search_paths=search_paths or None, device=device)
    try:
        config = session.resolve("trainrun", trainrun, checked)
        session.set_trainrun(config)
        for one_phase in phases(config, phase):
            last = train_phase(link, session, one_phase)
            if last is None or last.status != "COMPLETED":
                return exit_codes.INTERRUPTED
        save(link, session, pipeline_out, trainrun_out)
        if keep_session:
            link.output.show({"session_id": session.session_id}, f"session {session.session_id} stays open")
        return exit_codes.OK
    finally:
        if not keep_session:
            session.close()


def phases(config: ResolvedConfig, wanted: str) -> tuple[Phase, ...]:
    """The phases to train, in order."""
    match wanted:
        case "statistical":
            return ("statistical",)
        case "gradient":
            return ("gradient",)
        case _:
            return ("statistical", "gradient") if has_losses(config) else ("statistical",)


def has_losses(config: ResolvedConfig) -> bool:
    """Whether a train run has something that gradients can lower."""
    return bool(config.values.get("loss_nodes"))


def train_phase(link: Link, session: Session, phase: Phase) -> TrainProgress | None:
    """Train one phase and show it; returns its last event."""
    with stopping_on_interrupt(session, link.output):
        return follow(link.output, phase, session.train(phase))


def save(link: Link, session: Session, pipeline_out: str | None, trainrun_out: str | None) -> None:
    """Save what was asked for, and say where it is."""
    if pipeline_out:
        pipeline = session.save_pipeline(pipeline_out)
        link.output.show(
            {"saved": dataclasses.asdict(pipeline)},
            f"Pipeline saved: {pipeline.pipeline_path}",
            f"Weights saved: {pipeline.weights_path}",
        )
    if trainrun_out:
        trainrun = session.save_trainrun(trainrun_out, save_weights=not pipeline_out)
        link.output.show({"saved": dataclasses.asdict(trainrun)}, f"Trainrun config saved: {trainrun.trainrun_path}")
