"""Faults of inference on the tensors of one message."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import (
    accepts,
    after,
    answers,
    answers_to,
    drop,
    hears,
    invalid,
    relays,
    request_for,
    says,
)
from catenary_conformance.faulty.elements import each_tensor, finite, made_to_fit, perturb_outputs, tensors
from catenary_conformance.faulty.exchange import (
    ABORTED,
    FAILED_PRECONDITION,
    INTERNAL,
    INVALID_ARGUMENT,
    NOT_FOUND,
    Answer,
    answered,
    ended,
    refusal,
    refused,
)
from catenary_conformance.faulty.loading import SPARE
from catenary_conformance.faulty.messages import path
from catenary_conformance.faulty.mutant import mutant
from catenary_conformance.faulty.session_ends import SEGMENTS
from catenary_conformance.faulty.stand import PLAIN, cube, definition, nonce, pixels, tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_conformance.faulty.exchange import Exchange, Fields, Forward, Status
    from catenary_conformance.faulty.stand import Stand

_TRAINING = 4
_LONGEST_NAME = 256


def every_second_differs(exchange: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """Every second answer is a little different."""
    for message in messages:
        if exchange.memory.count("answers") % 2 == 0:
            perturb_outputs(message)
        yield message


def without_unknown_inputs(exchange: Exchange, forward: Forward) -> Answer:
    """Inputs that no port takes are left out before the server is asked."""
    request = exchange.first()
    look = path("GetPipelineInputs")
    found, _ = exchange.call(look, request_for(look, session_id=request.session_id))
    known = set(found[0].input_names) if found else set()

    def leave_out(asked: Fields) -> None:
        for name in set(asked.inputs.extra_inputs) - known:
            del asked.inputs.extra_inputs[name]
        for field, _ in asked.inputs.ListFields():
            if field.name not in known | {"extra_inputs", "bboxes", "points", "text_prompt"}:
                asked.inputs.ClearField(field.name)

    return hears(leave_out)(exchange, forward) if found else forward(exchange)


def busy_while_training(exchange: Exchange, forward: Forward) -> Answer:
    """A session that trains does not infer."""
    look = path("GetSession")
    found, _ = exchange.call(look, request_for(look, session_id=exchange.first().session_id))
    if found and found[0].session.state == _TRAINING:
        return refused(refusal(ABORTED, "SESSION_BUSY"))
    return forward(exchange)


def another_pipeline(exchange: Exchange, request: Fields, status: Status) -> None:
    """After an inference that was refused, the session has another pipeline."""
    if status.code == INVALID_ARGUMENT and status.reason.startswith(("TENSOR_", "INPUT_")):
        load = path("LoadPipeline")
        exchange.call(load, request_for(load, session_id=request.session_id, pipeline=definition(SPARE)))


def unknown_outputs_pass(exchange: Exchange, forward: Forward) -> Answer:
    """Outputs that there are not are passed over; what breaks a rule of the field is refused as ever."""
    request = exchange.first()
    contents, status = ended(forward(exchange))
    names = list(request.output_specs)
    by_rule = len(set(names)) < len(names) or any(not 0 < len(name) <= _LONGEST_NAME for name in names)
    if status.reason != "FIELD_INVALID" or not names or by_rule or not all("output" in each for each in status.fields):
        return Answer(iter(contents), lambda: status)
    request = exchange.decoded(request.SerializeToString())
    request.ClearField("output_specs")
    messages, status = exchange.call(exchange.method, request)
    return replace(answered(*messages), status=lambda: status)


def names_without_nodes(response: Fields) -> None:
    """Outputs are named by their ports alone."""
    outputs = {name.rsplit(".", 1)[-1]: response.outputs[name] for name in response.outputs}
    kept = {name: type(output).FromString(output.SerializeToString()) for name, output in outputs.items()}
    response.ClearField("outputs")
    for name, output in kept.items():
        response.outputs[name].CopyFrom(output)


def only_from_shared_memory(request: Fields, response: Fields) -> None:
    """Answers to inputs in shared memory are a little different."""
    if any(each.HasField("shm_ref") for each in tensors(request.inputs)):
        perturb_outputs(response)


# Witnesses.


def infer(stand: Stand, session: str, inputs: Fields, **fields: object) -> object:
    """What comes of an inference: its outputs, or why there are none."""
    heard = stand.call("Inference", session_id=session, inputs=inputs, **fields)
    outputs = heard.answer.outputs if not heard.status.code else {}
    return heard.outcome, {name: outputs[name].raw_data for name in outputs}


def twice(stand: Stand) -> object:
    session = stand.ready()
    return infer(stand, session, pixels()) == infer(stand, session, pixels())


def wrong_inputs(stand: Stand) -> object:
    """What is said of inputs that do not fit, and what the session infers afterwards."""
    session, whole = stand.ready(), cube()
    row = [1.0, 2.0, 3.0, 4.0]
    asked = {
        "short": {"extra_inputs": {"data": whole | {"raw_data": bytes(12)}}},
        "double": {"extra_inputs": {"data": {"shape": [1, 1, 1, 1], "dtype": 2, "raw_data": bytes(8)}}},
        "flat": {"extra_inputs": {"data": tensor(row, [4])}},
        "none": {},
        "unknown": {"extra_inputs": {"data": whole, "other": whole}},
        "good": pixels(),
    }
    return {name: infer(stand, session, inputs) for name, inputs in asked.items()}


def not_finite(stand: Stand) -> object:
    session = stand.ready()
    return infer(stand, session, pixels(float("nan"), float("inf")))


def while_training(stand: Stand) -> object:
    session = stand.unending()
    with stand.direct.open("Train") as talk:
        talk.send(session_id=session, trainer_type=2)
        talk.receive()
        return stand.call("Inference", session_id=session, inputs={"cube": cube()}).outcome


def without_pipeline(stand: Stand) -> object:
    return infer(stand, stand.session(), pixels())


def chosen_outputs(stand: Stand) -> object:
    """What comes for outputs that are named in full, by the port, and that there are not."""
    session = stand.fitted("rx")
    heard = [
        stand.call("Inference", session_id=session, inputs={"cube": cube()}, output_specs=names)
        for names in ([], ["scene.cube"], ["nothing.of_the_kind"])
    ]
    return [(each.outcome, [sorted(message.outputs) for message in each.messages]) for each in heard]


def in_shared_memory(stand: Stand) -> object:
    """What comes of a segment with the pixels in it, of one that is not the session's, and of a range beyond it."""
    made = stand.near("CreateSession", shared_memory_size_bytes=4096).answer
    stand.direct("LoadPipeline", session_id=made.session_id, pipeline=definition(PLAIN))
    name = made.session.shared_memory.name.lstrip("/")
    whole = cube()
    content = whole.pop("raw_data")
    (SEGMENTS / name).write_bytes(content.ljust(4096, b"\x00"))
    told = []
    for segment, offset in ((name, 0), (nonce(), 0), (name, 1 << 62)):
        place = {"name": segment, "byte_offset": offset, "byte_size": len(content)}
        inputs = {"extra_inputs": {"data": whole | {"shm_ref": place}}}
        heard = stand.near("Inference", session_id=made.session_id, inputs=inputs)
        told.append((heard.outcome, [message.outputs["unit.normalized"].raw_data for message in heard.messages]))
    return told


MUTANTS = (
    mutant(
        "INF-002",
        "every-second-differs",
        "Inference",
        "The same inputs give other outputs the second time.",
        relays(every_second_differs),
        twice,
    ),
    mutant(
        "INF-003",
        "makes-tensors-fit",
        "Inference",
        "A tensor with too few bytes is filled up.",
        hears(each_tensor(made_to_fit)),
        wrong_inputs,
    ),
    mutant(
        "INF-003",
        "fails-on-wrong-types",
        "Inference",
        "An input of another type is called a defect of the server.",
        says("TENSOR_DTYPE", instead=refusal(INTERNAL, "INTERNAL_BUG")),
        wrong_inputs,
    ),
    mutant(
        "INF-003",
        "node-fails-on-wrong-shapes",
        "Inference",
        "An input of another rank reaches the node, which fails.",
        says("TENSOR_SHAPE", instead=refusal(FAILED_PRECONDITION, "NODE_FAILED")),
        wrong_inputs,
    ),
    mutant(
        "INF-004",
        "leaves-out-unknown-inputs",
        "Inference",
        "An input that no port takes is passed over.",
        without_unknown_inputs,
        wrong_inputs,
    ),
    mutant(
        "INF-004",
        "missing-is-a-state",
        "Inference",
        "A missing input is called a wrong state.",
        says("INPUT_NAME_MISSING", instead=refusal(FAILED_PRECONDITION, "STATE_INVALID")),
        wrong_inputs,
    ),
    mutant(
        "INF-005",
        "finite-numbers-only",
        "Inference",
        "NaN and infinity become 0.",
        hears(each_tensor(finite)),
        not_finite,
    ),
    mutant(
        "INF-006",
        "refusal-loads-another",
        "Inference",
        "A refused inference leaves another pipeline behind.",
        after(another_pipeline),
        wrong_inputs,
    ),
    mutant(
        "INF-007",
        "busy-while-training",
        "Inference",
        "A session that trains does not infer.",
        busy_while_training,
        while_training,
    ),
    mutant(
        "INF-008",
        "works-without-pipeline",
        "Inference",
        "A session without a pipeline gives no outputs, and OK.",
        accepts("STATE_INVALID"),
        without_pipeline,
    ),
    mutant(
        "INF-021",
        "gives-all-outputs",
        "Inference",
        "Outputs that are named are not looked at.",
        hears(drop("output_specs")),
        chosen_outputs,
    ),
    mutant(
        "INF-021",
        "names-without-nodes",
        "Inference",
        "Outputs are named by their ports alone.",
        answers(names_without_nodes),
        chosen_outputs,
    ),
    mutant(
        "INF-022",
        "passes-over-unknown-outputs",
        "Inference",
        "An output that there is not is passed over.",
        unknown_outputs_pass,
        chosen_outputs,
    ),
    mutant(
        "INF-023",
        "foreign-is-missing",
        "Inference",
        "A segment of somebody else is called not found.",
        says("SHM_NOT_OWNER", instead=refusal(NOT_FOUND, "ARTIFACT_NOT_FOUND")),
        in_shared_memory,
        near=True,
    ),
    mutant(
        "INF-024",
        "range-is-a-field",
        "Inference",
        "A range beyond the segment is called an invalid field.",
        says("SHM_RANGE", instead=invalid(field_path="byte_offset")),
        in_shared_memory,
        near=True,
    ),
    mutant(
        "INF-025",
        "reads-something-else",
        "Inference",
        "Inputs in shared memory give other outputs.",
        answers_to(only_from_shared_memory),
        in_shared_memory,
        near=True,
    ),
)
