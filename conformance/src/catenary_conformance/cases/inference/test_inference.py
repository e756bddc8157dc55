"""One request: the same inputs give the same outputs, and what does not fit is refused."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from catenary.v1.inference_requests_pb2 import InferenceRequest
from catenary.v1.pipeline_pb2 import PipelineConfig
from catenary.v1.pipeline_requests_pb2 import LoadPipelineRequest
from catenary.v1.session_pb2 import SESSION_STATE_READY
from catenary.v1.session_requests_pb2 import GetSessionRequest
from catenary.v1.tensor_pb2 import D_TYPE_FLOAT32, D_TYPE_FLOAT64, D_TYPE_UNSPECIFIED, ShmRef, Tensor
from catenary.v1.training_pb2 import TRAINER_TYPE_STATISTICAL
from catenary_conformance import rpcs
from catenary_conformance.presuming import presuming
from catenary_conformance.requirement import capability, requirement
from catenary_conformance.running import running
from catenary_conformance.tensors import float_tensor, zeros
from catenary_conformance.workload import canonical

if TYPE_CHECKING:
    from catenary_conformance.cases.inference.conftest import Trained
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload


def _refusals(tensor: Tensor) -> dict[str, tuple[Tensor, str]]:
    """Tensors that do not fit where this one does, with the reason."""
    shape, data = list(tensor.shape), tensor.raw_data
    return {
        "type": (zeros(shape, D_TYPE_FLOAT64), "TENSOR_DTYPE"),
        "no-type": (Tensor(shape=shape, dtype=D_TYPE_UNSPECIFIED, raw_data=data), "TENSOR_DTYPE"),
        "rank": (Tensor(shape=[*shape, 1], dtype=tensor.dtype, raw_data=data), "TENSOR_SHAPE"),
        "scalar": (Tensor(dtype=tensor.dtype, raw_data=data[:4]), "TENSOR_SHAPE"),
        "negative": (Tensor(shape=[-1, *shape[1:]], dtype=tensor.dtype, raw_data=data), "TENSOR_SHAPE"),
        "nine-axes": (Tensor(shape=[1] * 9, dtype=tensor.dtype, raw_data=data[:4]), "TENSOR_SHAPE"),
        "short": (Tensor(shape=shape, dtype=tensor.dtype, raw_data=data[:-1]), "TENSOR_SIZE_MISMATCH"),
        "long": (Tensor(shape=shape, dtype=tensor.dtype, raw_data=data + b"x"), "TENSOR_SIZE_MISMATCH"),
        "no-bytes": (Tensor(shape=shape, dtype=tensor.dtype), "TENSOR_SIZE_MISMATCH"),
        "huge": (Tensor(shape=[1 << 40, *shape[1:]], dtype=tensor.dtype, raw_data=data), "TENSOR_SIZE_MISMATCH"),
        "overflow": (Tensor(shape=[1 << 62] * len(shape), dtype=tensor.dtype, raw_data=data), "TENSOR_SIZE_MISMATCH"),
    }


@requirement("CAT-INF-003", "CAT-INF-006")
@pytest.mark.parametrize(
    "fault",
    ["type", "no-type", "rank", "scalar", "negative", "nine-axes", "short", "long", "no-bytes", "huge", "overflow"],
)
def test_an_input_that_does_not_fit_is_refused_and_changes_nothing(
    target: Target, trained: Trained, fault: str
) -> None:
    before = trained.outputs()
    tensor, reason = _refusals(trained.tensors()[trained.main_input])[fault]
    answer = rpcs.INFER.answer(target, trained.spoilt(tensor))
    if fault in {"huge", "overflow", "no-bytes"}:  # two things are wrong: the order in which they are found is open
        assert answer.reason in {"TENSOR_SHAPE", reason, "MESSAGE_TOO_LARGE"}, f"{answer}"
    else:
        rpcs.expect_reason(answer, reason)
    assert trained.outputs() == before


@requirement("CAT-INF-004", "CAT-INF-006")
def test_a_missing_input_and_an_unknown_one_are_refused(target: Target, trained: Trained) -> None:
    before = trained.outputs()
    nothing = InferenceRequest(session_id=trained.session_id)
    rpcs.INFER.refused(target, nothing, reason="INPUT_NAME_MISSING")
    unknown = trained.request()
    unknown.inputs.extra_inputs["no_such_input"].CopyFrom(float_tensor([1]))
    answer = rpcs.INFER.refused(target, unknown, reason="INPUT_NAME_UNKNOWN")
    assert any("no_such_input" in each for each in answer.violations)
    assert trained.outputs() == before


@requirement("CAT-INF-002")
def test_the_same_inputs_give_the_same_outputs_also_while_other_sessions_work(
    target: Target, trained: Trained, workload: Workload
) -> None:
    first = {seed: trained.outputs(seed=seed) for seed in range(3)}
    assert first[0] != first[1], "the outputs do not depend on the inputs"
    other = workload.open_session()
    workload.configure(other)
    workload.train(other, TRAINER_TYPE_STATISTICAL)
    for seed in (2, 0, 1, 0):
        assert trained.outputs(seed=seed) == first[seed]
    rpcs.GET_SESSION.ok(target, GetSessionRequest(session_id=other))


@requirement("CAT-INF-002")
@capability("training")
def test_outputs_do_not_change_while_another_session_trains(
    target: Target, trained: Trained, workload: Workload
) -> None:
    before = trained.outputs()
    with running(target, workload) as run:
        for _ in range(3):
            assert trained.outputs() == before
        run.still_goes_on()


@requirement("CAT-INF-007")
@capability("training")
def test_inference_answers_while_its_session_trains(target: Target, workload: Workload) -> None:
    with running(target, workload) as run:
        workload.outputs(run.session_id)
        run.still_goes_on()


@requirement("CAT-INF-007")
@capability("training")
def test_inference_while_its_session_trains_sees_the_weights_of_a_finished_epoch(
    target: Target, workload: Workload
) -> None:
    with running(target, workload) as run:
        early = workload.outputs(run.session_id)
        epochs = run.stream.received[-1].epochs_done
        while run.stream.received[-1].epochs_done < epochs + 3:
            run.still_goes_on()
        assert workload.outputs(run.session_id) != early, "three epochs later, the outputs are still the same"


@requirement("CAT-INF-008")
def test_inference_needs_a_pipeline(target: Target, session: str) -> None:
    rpcs.INFER.refused(target, InferenceRequest(session_id=session), reason="STATE_INVALID")


@requirement("CAT-INF-006")
def test_a_refused_inference_leaves_its_session_ready(target: Target, trained: Trained) -> None:
    rpcs.INFER.refused(target, InferenceRequest(session_id=trained.session_id), reason="INPUT_NAME_MISSING")
    session = rpcs.GET_SESSION.ok(target, GetSessionRequest(session_id=trained.session_id)).session
    assert session.state == SESSION_STATE_READY


@requirement("CAT-INF-021")
def test_output_specs_choose_exactly_the_ports_they_name(target: Target, trained: Trained) -> None:
    everything = rpcs.INFER.ok(target, trained.request()).outputs
    for name, tensor in everything.items():
        chosen = rpcs.INFER.ok(target, trained.request(output_specs=(name,)))
        assert list(chosen.outputs) == [name]
        assert chosen.outputs[name] == tensor
    every = rpcs.INFER.ok(target, trained.request(output_specs=tuple(everything)))
    assert set(every.outputs) == set(everything)


@requirement("CAT-INF-022")
@pytest.mark.parametrize("name", ["no_such_node.no_such_port", "no_such_port", "."])
def test_an_output_that_is_no_port_is_refused(target: Target, trained: Trained, name: str) -> None:
    answer = rpcs.INFER.refused(target, trained.request(output_specs=(name,)), reason="FIELD_INVALID")
    assert any(each.startswith("output_specs") for each in answer.violations), f"{answer} names no output_specs"


@requirement("CAT-INF-005")
def test_values_that_are_not_finite_are_taken_and_copied_bit_for_bit(
    target: Target, trained: Trained, workload: Workload
) -> None:
    tensor = trained.tensors()[trained.main_input]
    if tensor.dtype != D_TYPE_FLOAT32:
        pytest.skip("the main input of the pipeline holds no floating-point numbers")
    pattern = struct.pack("<4f", float("nan"), float("inf"), float("-inf"), -0.0)
    data = (pattern * (len(tensor.raw_data) // len(pattern)))[: len(tensor.raw_data)]
    odd = Tensor(shape=tensor.shape, dtype=tensor.dtype, raw_data=data.ljust(len(tensor.raw_data), b"\0"))
    request = trained.spoilt(odd)
    rpcs.INFER.ok(target, request)
    copy = _copying_port(workload, trained.main_input)
    request.output_specs[:] = [copy]
    outputs = rpcs.INFER.ok(target, request).outputs
    with presuming("CAT-INF-021"):
        assert list(outputs) == [copy]
    assert outputs[copy].raw_data == odd.raw_data


def _copying_port(workload: Workload, name: str) -> str:
    """An output with the name of the input at the node that it enters: a source that hands it on."""
    fed = {each["target"] for each in workload.pipeline["connections"]}
    for each in workload.pipeline["connections"]:
        node, _, port = each["source"].partition(".outputs.")
        if port == name and f"{node}.inputs.{name}" not in fed:
            return f"{node}.{port}"
    pytest.skip("no node of the pipeline hands its input on")


@requirement("CAT-INF-008")
@capability("training", "pipelines")
def test_a_pipeline_that_has_not_learned_is_no_ready_one(target: Target, workload: Workload) -> None:
    session_id = workload.open_session()
    pipeline = PipelineConfig(config_bytes=canonical(workload.pipeline))
    rpcs.LOAD_PIPELINE.ok(target, LoadPipelineRequest(session_id=session_id, pipeline=pipeline))
    request = InferenceRequest(session_id=session_id, inputs=workload.inputs(session_id))
    answer = rpcs.INFER.answer(target, request)
    assert answer.ok or answer.reason == "STATE_INVALID", f"{answer}"


@requirement("CAT-INF-023", "CAT-INF-024")
def test_shared_memory_of_nobody_is_refused(target: Target, trained: Trained, workload: Workload) -> None:
    tensor = trained.tensors()[trained.main_input]
    foreign = Tensor(shape=tensor.shape, dtype=tensor.dtype)
    foreign.shm_ref.CopyFrom(ShmRef(name="conformance-nobody", byte_size=len(tensor.raw_data)))
    offered = workload.info.limits.sessions.shared_memory_size_bytes > 0
    reason = "SHM_NOT_OWNER" if offered else "SHM_DISABLED"
    rpcs.INFER.refused(target, trained.spoilt(foreign), reason=reason)
