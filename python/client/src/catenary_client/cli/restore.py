"""`catenary restore`: a saved train run, shown, measured or trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from catenary_client.cli import exit_codes
from catenary_client.cli.connecting import Link, with_server
from catenary_client.cli.output import facts
from catenary_client.cli.progress import follow, stopping_on_interrupt
from catenary_client.cli.train import has_losses, save, train_phase

if TYPE_CHECKING:
    from catenary_client.client import Session
    from catenary_client.results import RestoredTrainRun
    from catenary_client.training import Phase, Split


@click.command(
    epilog=f"""
Examples:

\b
  catenary restore svdd_trainrun.yaml
  catenary restore svdd_trainrun.yaml --mode test --json
  catenary restore svdd_trainrun.yaml --mode train --pipeline-out svdd_longer

{exit_codes.HELP}
"""
)
@click.argument("trainrun")
@click.option("--mode", type=click.Choice(["info", "validate", "test", "train"]), default="info", show_default=True,
              help="Show it, measure it on a split, or train on.")  # fmt: skip
@click.option("--weights", metavar="PATH", default="", help="Weights to load instead of those it refers to.")
@click.option("--not-strict", is_flag=True, help="Leave out weights that only one side names.")
@click.option("--pipeline-out", metavar="PATH", help="After training, save pipeline and weights there.")
@click.option("--trainrun-out", metavar="PATH", help="After training, save the train run there.")
@with_server
def restore(
    link: Link,
    *,
    trainrun: str,
    mode: str,
    weights: str,
    pipeline_out: str | None,
    trainrun_out: str | None,
    not_strict: bool,
) -> int:
    """Restore a train run that was saved on the server."""
    with link.client.session() as session:
        restored = session.restore(trainrun, weights_path=weights, strict=not not_strict)
        _show(link, session, restored)
        match mode:
            case "validate" | "test":
                return _evaluate(link, session, restored, mode)
            case "train":
                return _train_on(link, session, restored, pipeline_out, trainrun_out)
            case _:
                return exit_codes.OK


def _show(link: Link, session: Session, restored: RestoredTrainRun) -> None:
    values = restored.trainrun.values
    inputs, outputs = session.inputs(), session.outputs()
    document = {
        "name": restored.trainrun.name,
        "weights_restored": restored.weights_restored,
        "weights_path": restored.weights_path,
        "inputs": list(inputs.values()),
        "outputs": list(outputs.values()),
        "config": values,
    }
    rows = (
        ("trainrun", restored.trainrun.name),
        ("pipeline", f"{values['pipeline']['metadata']['name']}, {len(values['pipeline']['nodes'])} nodes"),
        ("weights", restored.weights_path or "none were saved"),
        ("inputs", "\n".join(map(str, inputs.values()))),
        ("outputs", "\n".join(map(str, outputs.values()))),
    )
    link.output.show(document, facts(rows))


def _evaluate(link: Link, session: Session, restored: RestoredTrainRun, split: Split) -> int:
    if not restored.weights_restored:
        raise click.ClickException(f"it was saved without weights, so there is nothing to {split}; name --weights")
    with stopping_on_interrupt(session, link.output):
        last = follow(link.output, split, session.evaluate(split))
    if last is None or last.status != "COMPLETED":
        return exit_codes.INTERRUPTED
    link.output.say("\n".join(f"{name}: {value:.4f}" for name, value in sorted(last.metrics.items())))
    return exit_codes.OK


def _train_on(
    link: Link, session: Session, restored: RestoredTrainRun, pipeline_out: str | None, trainrun_out: str | None
) -> int:
    """Gradients from the restored weights; without weights or losses, statistics first or alone."""
    fresh = not restored.weights_restored
    losses = has_losses(restored.trainrun)
    wanted: list[Phase] = ["statistical"] if fresh or not losses else []
    wanted += ["gradient"] if losses else []
    for phase in wanted:
        last = train_phase(link, session, phase)
        if last is None or last.status != "COMPLETED":
            return exit_codes.INTERRUPTED
    save(link, session, pipeline_out, trainrun_out)
    return exit_codes.OK
