"""Faults of loading: a pipeline into a session, and weights into a pipeline."""

from __future__ import annotations

import itertools
import json
import struct
from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import (
    accepts,
    after,
    answers_to,
    hears,
    put,
    request_for,
    says,
)
from catenary_conformance.faulty.exchange import FAILED_PRECONDITION, INVALID_ARGUMENT, refusal
from catenary_conformance.faulty.messages import path
from catenary_conformance.faulty.mutant import mutant
from catenary_conformance.faulty.stand import PLAIN, UNENDING, cube, definition, nonce, pixels

if TYPE_CHECKING:
    from catenary_conformance.faulty.exchange import Answer, Exchange, Fields, Forward, Status
    from catenary_conformance.faulty.stand import Stand

SPARE = {"metadata": {"name": "spare"}, "nodes": [{"name": "spare", "class_name": "MinMaxNormalizer"}]}
ALREADY_TRAINING = refusal(FAILED_PRECONDITION, "ALREADY_TRAINING")
_BUILDING = ("LoadPipeline", "SetTrainRunConfig")


def loads_spare(exchange: Exchange, request: Fields, status: Status) -> None:
    """After a refusal, a session that had a pipeline has another."""
    if not status.code or status.reason == "SESSION_BUSY":
        return
    look = path("GetSession")
    found, _ = exchange.call(look, request_for(look, session_id=request.session_id))
    if found and found[0].session.pipeline_name:
        load = path("LoadPipeline")
        exchange.call(load, request_for(load, session_id=request.session_id, pipeline=definition(SPARE)))


def stops_training(exchange: Exchange, request: Fields, status: Status) -> None:
    """What is refused because the session trains ends the training."""
    if status.reason == "SESSION_BUSY":
        stop = path("StopTrain")
        exchange.call(stop, request_for(stop, session_id=request.session_id))


class Rebuilds:
    """Loading weights builds the pipeline anew, with the weights that it had at first.

    Args:
        when_refused: whether it does so after a refusal, or after success.
    """

    def __init__(self, *, when_refused: bool) -> None:
        self._when_refused = when_refused

    def __call__(self, exchange: Exchange, forward: Forward) -> Answer:
        """Remember what built the pipeline of each session; build it again at the wrong time."""
        if exchange.method != path("LoadPipelineWeights"):
            return after(self._remember)(exchange, forward)
        return after(self._rebuild)(exchange, forward)

    def _remember(self, exchange: Exchange, request: Fields, status: Status) -> None:
        if not status.code:
            exchange.memory.put(request.session_id, (exchange.method, request))

    def _rebuild(self, exchange: Exchange, request: Fields, status: Status) -> None:
        built = exchange.memory.get(request.session_id)
        if built and bool(status.code) == self._when_refused:
            exchange.call(*built)


def as_asked(request: Fields, response: Fields) -> None:
    """The answer repeats the path of the request."""
    if request.weights_path:
        response.resolved_path = request.weights_path


# Witnesses.


def safetensors(**arrays: tuple[str, list[int], bytes]) -> bytes:
    """A safetensors file: type, shape and bytes by name."""
    header, content = {}, b""
    for name, (dtype, shape, data) in arrays.items():
        end = len(content) + len(data)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(content), end]}
        content += data
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def refused_pipelines(stand: Stand) -> object:
    """What is said of pipelines that cannot be built, and what the session infers afterwards."""
    session = stand.session()
    stand.call("LoadPipeline", session_id=session, pipeline=definition(PLAIN))
    scene = {"name": "scene", "class_name": "SceneInput"}
    unjoined = {"nodes": [scene], "connections": [{"source": "scene.outputs.nothing", "target": "scene.inputs.cube"}]}
    unknown = {"nodes": [{"name": "a", "class_name": "NothingOfTheKind"}]}
    told = [
        stand.call("LoadPipeline", session_id=session, pipeline=definition(each)).outcome
        for each in (unjoined, unknown)
    ]
    return told, stand.direct("Inference", session_id=session, inputs=pixels()).outcome


def loading_while_training(stand: Stand) -> object:
    session = stand.unending()
    with stand.direct.open("Train") as talk:
        talk.send(session_id=session, trainer_type=2)
        talk.receive()
        told = [
            stand.call("LoadPipeline", session_id=session, pipeline=definition(PLAIN)).outcome,
            stand.call("LoadPipelineWeights", session_id=session, weights_bytes=safetensors()).outcome,
        ]
        return told, {message.status for message in itertools.islice(talk, 20)}


def scores(stand: Stand, session: str) -> dict[str, bytes]:
    """What a fitted RX gives for a few pixels; nothing where it has lost its statistics."""
    heard = stand.direct("Inference", session_id=session, inputs={"cube": cube()})
    return {name: tensor.raw_data for answer in heard.messages for name, tensor in answer.outputs.items()}


def weights_of_all_kinds(stand: Stand) -> object:
    """What is said of weights that do not fit, and what the session infers after each."""
    session = stand.session()
    config = {"config_bytes": stand.resolved(session, "rx")}
    stand.call("SetTrainRunConfig", session_id=session, config=config)
    stand.direct("Train", session_id=session, trainer_type=1)
    before = scores(stand, session)
    kinds = {
        "missing": safetensors(),
        "unexpected": safetensors(other=("F32", [1], b"\x00" * 4)),
        "pickle": b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00\x8c\x01a\x94.",
        "damaged": safetensors(other=("F32", [1], b"\x00" * 4))[:-2],
    }
    told = {}
    for name, content in kinds.items():
        outcome = stand.call("LoadPipelineWeights", session_id=session, weights_bytes=content).outcome
        told[name] = outcome, scores(stand, session) == before
    return told


def weights_by_path(stand: Stand) -> object:
    """Whether weights that were saved are in use after they were loaded, and how the file is called."""
    session = stand.fitted()
    saved = stand.direct("SavePipeline", session_id=session, pipeline_path=nonce()).answer
    fresh = stand.session()
    config = {"config_bytes": stand.resolved(fresh, "rx", *UNENDING)}
    stand.call("SetTrainRunConfig", session_id=fresh, config=config)
    asked = saved.weights_path.replace(".safetensors", ".pt")
    loaded = stand.call("LoadPipelineWeights", session_id=fresh, weights_path=asked).answer
    same = stand.direct("Inference", session_id=fresh, inputs={"cube": cube()})
    return loaded.resolved_path == saved.weights_path, same.outcome


MUTANTS = (
    mutant(
        "PIP-001",
        "takes-any-graph",
        "LoadPipeline",
        "A graph that cannot be built is taken.",
        accepts("GRAPH_INVALID"),
        refused_pipelines,
    ),
    mutant(
        "PIP-002",
        "refusal-loads-another",
        "LoadPipeline",
        "A load that is refused leaves another pipeline behind.",
        after(loads_spare),
        refused_pipelines,
    ),
    mutant(
        "PIP-003",
        "unknown-node-is-a-graph",
        "LoadPipeline",
        "An unknown node class is called an invalid graph.",
        says("NODE_TYPE_UNKNOWN", instead=refusal(INVALID_ARGUMENT, "GRAPH_INVALID", field_path="pipeline")),
        refused_pipelines,
    ),
    mutant(
        "PIP-004",
        "busy-is-a-state",
        "LoadPipeline",
        "Loading while the session trains is called a wrong state.",
        says("SESSION_BUSY", instead=ALREADY_TRAINING),
        loading_while_training,
    ),
    mutant(
        "PIP-004",
        "refusal-stops-training",
        "LoadPipeline",
        "A load that is refused since the session trains ends the run.",
        after(stops_training),
        loading_while_training,
    ),
    mutant(
        "PIP-005",
        "refusal-forgets-weights",
        [*_BUILDING, "LoadPipelineWeights"],
        "Weights that are refused leave the pipeline without those it had.",
        Rebuilds(when_refused=True),
        weights_of_all_kinds,
    ),
    mutant(
        "PIP-006",
        "never-strict",
        "LoadPipelineWeights",
        "Names that are missing or unexpected are passed over.",
        hears(put("strict", False)),
        weights_of_all_kinds,
    ),
    mutant(
        "PIP-007",
        "takes-any-format",
        "LoadPipelineWeights",
        "Weights that are not safetensors are taken.",
        accepts("WEIGHTS_FORMAT_FORBIDDEN"),
        weights_of_all_kinds,
    ),
    mutant(
        "PIP-008",
        "damaged-is-forbidden",
        "LoadPipelineWeights",
        "Damaged weights are called another format.",
        says(
            "WEIGHTS_CORRUPT", instead=refusal(INVALID_ARGUMENT, "WEIGHTS_FORMAT_FORBIDDEN", field_path="weights_bytes")
        ),
        weights_of_all_kinds,
    ),
    mutant(
        "PIP-009",
        "does-not-say-which-file",
        "LoadPipelineWeights",
        "The file that was asked for is named, not the one loaded.",
        answers_to(as_asked),
        weights_by_path,
    ),
    mutant(
        "PIP-010",
        "does-not-use-weights",
        [*_BUILDING, "LoadPipelineWeights"],
        "Weights that were loaded are not used.",
        Rebuilds(when_refused=False),
        weights_by_path,
    ),
    mutant(
        "PIP-024",
        "busy-is-a-state",
        "LoadPipelineWeights",
        "Loading weights while the session trains is called a wrong state.",
        says("SESSION_BUSY", instead=ALREADY_TRAINING),
        loading_while_training,
    ),
)
