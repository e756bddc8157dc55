"""`catenary pipelines`: pipelines kept on the server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.syntax import Syntax

from catenary_client.cli.connecting import Link, with_server
from catenary_client.cli.output import facts, listing

if TYPE_CHECKING:
    from catenary.v1.pipeline_pb2 import PipelineInfo

FORMATS = ("png", "svg", "dot", "mermaid")
_SUFFIXES = {".png": "png", ".svg": "svg", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".mermaid": "mermaid"}


@click.group()
def pipelines() -> None:
    """List, show, draw, download and upload pipelines."""


@pipelines.command("list", epilog="Example: catenary pipelines list --tag anomaly")
@click.option("--tag", default="", help="Only those that carry it.")
@with_server
def list_pipelines(link: Link, tag: str) -> None:
    """List the pipelines that the server offers and those you saved."""
    found = link.client.available_pipelines(tag)
    table = listing(
        ("path", "name", "tags", "weights", "description"),
        (
            (
                item.pipeline_path,
                item.metadata.name,
                ", ".join(item.metadata.tags),
                "yes" if item.weights_path else "",
                item.metadata.description,
            )
            for item in found
        ),
    )
    link.output.show({"pipelines": found}, table if found else "no pipelines")


@pipelines.command(epilog="Example: catenary pipelines show pipeline/rx")
@click.argument("path")
@with_server
def show(link: Link, path: str) -> None:
    """Show a pipeline and the text of its file."""
    info = link.client.pipeline_info(path)
    text = Syntax(info.yaml_content, "yaml", background_color="default", word_wrap=True)
    link.output.show(info, facts(_facts(info)), "", text)


@pipelines.command(
    epilog="""
Examples:

\b
  catenary pipelines draw deep_svdd --output deep_svdd.svg
  catenary pipelines draw --session 5dKq0v --output now.png
  catenary pipelines draw --file mine.yaml --format mermaid
"""
)
@click.argument("path", required=False)
@click.option("--session", "session_id", metavar="ID", help="Draw the pipeline of this session.")
@click.option("--file", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Draw the definition in this file of this machine.")  # fmt: skip
@click.option("--format", "drawing_format", type=click.Choice(FORMATS), help="[the suffix of --output, else mermaid]")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Where to.  [standard output]")
@with_server
def draw(
    link: Link,
    *,
    path: str | None,
    session_id: str | None,
    file: Path | None,
    drawing_format: str | None,
    output: Path | None,
) -> None:
    """Draw a pipeline: one that the server finds at PATH, that of a session, or one of this machine."""
    if sum(source is not None for source in (path, session_id, file)) != 1:
        raise click.UsageError("name one of PATH, --session and --file")
    chosen = drawing_format or ("mermaid" if output is None else _SUFFIXES.get(output.suffix.lower(), "png"))
    if output is None and chosen == "png":
        raise click.UsageError("a png needs --output")
    drawing = _drawn(link, path, session_id, file, chosen)
    if output is None:
        text = drawing.decode()
        link.output.show({"format": chosen, "drawing": text}, text)
    else:
        output.write_bytes(drawing)
        link.output.show({"format": chosen, "file": str(output)}, f"written to {output}")


def _drawn(link: Link, path: str | None, session_id: str | None, file: Path | None, drawing_format: str) -> bytes:
    if session_id is not None:
        return link.client.attach(session_id).draw(drawing_format)
    if file is not None:
        return link.client.draw_definition(file.read_bytes(), drawing_format)
    with link.client.session() as session:
        return link.client.draw_definition(session.resolve("pipeline", path or ""), drawing_format)


@pipelines.command(epilog="Example: catenary pipelines download svdd ./models")
@click.argument("path")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
@click.option("--definition-only", is_flag=True, help="Leave the weights where they are.")
@with_server
def download(link: Link, path: str, folder: Path, *, definition_only: bool) -> None:
    """Fetch a saved pipeline with its weights into FOLDER."""
    try:
        fetched = link.client.download_pipeline(path, folder, definition_only=definition_only)
    except OSError as error:
        raise click.ClickException(str(error)) from error
    places = [str(place) for place in (fetched.definition, fetched.weights) if place is not None]
    link.output.show({"files": places}, *(f"written to {place}" for place in places))


@pipelines.command(epilog="Example: catenary pipelines upload models/svdd.yaml team/svdd")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("path", default="")
@click.option("--weights", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Its weights.  [the .safetensors beside FILE]")  # fmt: skip
@click.option("--must-not-exist", is_flag=True, help="Refuse to replace files.")
@with_server
def upload(link: Link, file: Path, path: str, *, weights: Path | None, must_not_exist: bool) -> None:
    """Send a pipeline to the server, where it is kept at PATH."""
    try:
        saved = link.client.upload_pipeline(file, path, weights=weights, must_not_exist=must_not_exist)
    except OSError as error:
        raise click.ClickException(str(error)) from error
    rows = (("pipeline", saved.pipeline_path), ("weights", saved.weights_path))
    link.output.show(saved, facts(rows))


def _facts(info: PipelineInfo) -> list[tuple[str, str]]:
    metadata = info.metadata
    return [
        ("path", info.pipeline_path),
        ("name", metadata.name),
        ("description", metadata.description),
        ("tags", ", ".join(metadata.tags)),
        ("author", metadata.author),
        ("created", metadata.created),
        ("written by", f"Catenary {metadata.catenary_version}" if metadata.catenary_version else ""),
        ("weights", info.weights_path),
    ]
