"""Faults of a pipeline that is loaded: what it says of itself, how it is drawn and saved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import accepts, after, answers, drop, hears, put
from catenary_conformance.faulty.messages import path
from catenary_conformance.faulty.mutant import mutant
from catenary_conformance.faulty.stand import PLAIN, definition, nonce, pixels

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from catenary_conformance.faulty.exchange import Answer, Behaviour, Exchange, Fields, Forward, Status
    from catenary_conformance.faulty.stand import Stand

_FLOAT64 = 2
TWO_NODES = {
    "metadata": {"name": "two"},
    "nodes": [
        {"name": "unit", "class_name": "PixelUnitNormalizer"},
        {"name": "range", "class_name": "PixelUnitNormalizer"},
    ],
    "connections": [{"source": "unit.outputs.normalized", "target": "range.inputs.data"}],
}


def each_spec(field: str, edit: Callable[[Fields], object]) -> Behaviour:
    """Each specification of a map is edited."""
    return answers(lambda response: [edit(spec) for spec in getattr(response, field).values()])


def zero_for_free(spec: Fields) -> None:
    """Free dimensions are told as 0."""
    spec.shape[:] = [max(size, 0) for size in spec.shape]


def wrong_format(exchange: Exchange, forward: Forward) -> Answer:
    """A drawing of another format comes under the name of the one that was asked for."""
    wanted = exchange.first().format
    if wanted != "svg":
        return forward(exchange)
    return hears(put("format", "dot"))(exchange, lambda passed: answers(put("format", wanted))(passed, forward))


def draws_less(exchange: Exchange, forward: Forward) -> Answer:
    """The last node of a pipeline is not drawn."""
    if exchange.method == path("LoadPipeline"):
        return after(_remember_definition)(exchange, forward)
    request = exchange.first()
    content = request.config_content or exchange.memory.get(request.session_id)
    if not content:
        return forward(exchange)
    return hears(put("config_content", _without_last_node(content)))(exchange, forward)


def _remember_definition(exchange: Exchange, request: Fields, status: Status) -> None:
    if not status.code:
        exchange.memory.put(request.session_id, request.pipeline.config_bytes.decode())


def _without_last_node(content: str) -> str:
    try:
        pipeline = json.loads(content)
    except ValueError:
        return content
    name = pipeline["nodes"].pop()["name"]
    ends = ("source", "target")
    kept = [
        edge for edge in pipeline.get("connections", []) if not any(edge[end].split(".")[0] == name for end in ends)
    ]
    return json.dumps(pipeline | {"connections": kept})


def saved_as_asked(exchange: Exchange) -> list[Message]:
    """An answer with the paths of the request."""
    response = exchange.response()
    response.pipeline_path = exchange.first().pipeline_path
    return [response]


# Witnesses.


def specifications(stand: Stand) -> object:
    """What the pipeline says it takes and gives."""
    session = stand.ready()
    inputs = stand.call("GetPipelineInputs", session_id=session).answer
    outputs = stand.call("GetPipelineOutputs", session_id=session).answer
    specs = {**inputs.input_specs, **outputs.output_specs}
    shapes = {name: (spec.dtype, list(spec.shape)) for name, spec in specs.items()}
    return list(inputs.input_names), list(outputs.output_names), shapes


def drawings(stand: Stand) -> object:
    session = stand.session()
    stand.call("LoadPipeline", session_id=session, pipeline=definition(TWO_NODES))
    drawn = [stand.call("GetPipelineVisualization", session_id=session, format=each).answer for each in ("svg", "dot")]
    return [(each.format, b"<svg" in each.image_data, b"range" in each.image_data) for each in drawn]


def saved(stand: Stand) -> object:
    """What is said of places to save to, good and bad, new and taken, and whether the answer's paths are good."""
    session, name, request_id = stand.ready(), nonce(), nonce()
    asked: list[dict[str, object]] = [
        {"pipeline_path": name, "request_id": request_id},
        {"pipeline_path": f"{name}-other", "request_id": request_id},
        {"pipeline_path": name, "must_not_exist": True},
        {"pipeline_path": "../../outside"},
    ]
    heard = [stand.call("SavePipeline", session_id=session, **each) for each in asked]
    again = stand.direct("DownloadPipeline", pipeline_path=heard[0].answer.pipeline_path)
    empty = stand.call("SavePipeline", session_id=stand.session(), pipeline_path=name)
    return [each.outcome for each in (*heard, again, empty)]


def spec_of_answers(stand: Stand) -> object:
    """Whether the outputs are as they are said to be."""
    session = stand.ready(PLAIN)
    specs = stand.call("GetPipelineOutputs", session_id=session).answer.output_specs
    outputs = stand.direct("Inference", session_id=session, inputs=pixels()).answer.outputs
    return {name: (specs[name].dtype == outputs[name].dtype, len(specs[name].shape)) for name in specs}


MUTANTS = (
    mutant(
        "PIP-011",
        "saves-over-anything",
        "SavePipeline",
        "A file that must not exist is replaced.",
        hears(drop("must_not_exist")),
        saved,
    ),
    mutant(
        "PIP-012",
        "saves-anywhere",
        "SavePipeline",
        "A path out of the roots is said to be saved.",
        accepts("PATH_INVALID", answer=saved_as_asked),
        saved,
    ),
    mutant(
        "PIP-013",
        "saves-nothing",
        "SavePipeline",
        "A session without a pipeline is said to be saved.",
        accepts("STATE_INVALID", answer=saved_as_asked),
        saved,
    ),
    mutant(
        "PIP-014",
        "paths-of-its-own",
        "SavePipeline",
        "The paths of the answer are none that a request can name.",
        answers(lambda response: put("pipeline_path", f"saved:{response.pipeline_path}")(response)),
        saved,
    ),
    mutant(
        "PIP-025",
        "deaf-to-request-ids",
        "SavePipeline",
        "A request_id that was used saves whatever it comes with.",
        hears(drop("request_id")),
        saved,
    ),
    mutant(
        "PIP-015",
        "asks-for-another-type",
        "GetPipelineInputs",
        "Inputs are said to be of a type that is refused.",
        each_spec("input_specs", put("dtype", _FLOAT64)),
        specifications,
    ),
    mutant(
        "PIP-016",
        "forgets-a-name",
        "GetPipelineInputs",
        "One input is not among the names.",
        answers(lambda response: response.input_names.__delitem__(slice(0, 1))),
        specifications,
    ),
    mutant(
        "PIP-016",
        "zero-for-free",
        "GetPipelineInputs",
        "A free dimension is told as 0.",
        each_spec("input_specs", zero_for_free),
        specifications,
    ),
    mutant(
        "PIP-017",
        "another-type-of-outputs",
        "GetPipelineOutputs",
        "Outputs are said to be of another type than they are.",
        each_spec("output_specs", put("dtype", _FLOAT64)),
        spec_of_answers,
    ),
    mutant(
        "PIP-017",
        "another-shape-of-outputs",
        "GetPipelineOutputs",
        "Outputs are said to have a dimension more than they have.",
        each_spec("output_specs", lambda spec: spec.shape.append(1)),
        spec_of_answers,
    ),
    mutant(
        "PIP-018",
        "another-format",
        "GetPipelineVisualization",
        "A drawing asked for as svg is something else.",
        wrong_format,
        drawings,
    ),
    mutant(
        "PIP-019",
        "draws-less",
        ["LoadPipeline", "GetPipelineVisualization"],
        "The last node is not drawn.",
        draws_less,
        drawings,
    ),
)
