"""Tensors in, tensors out: one request, a stream of requests, one request in pieces."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from catenary_server.application.in_order import in_order
from catenary_server.application.shared_inputs import gathered, shared_inputs
from catenary_server.domain.assembly import Assembly
from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.tensor import Tensor, check_against, check_form, check_tensor

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence

    from catenary_server.application.session import LoadedPipeline, Session
    from catenary_server.application.shared_inputs import Input
    from catenary_server.domain.assembly import Piece
    from catenary_server.domain.node import PortSpec
    from catenary_server.domain.runtime import Inference
    from catenary_server.domain.shared_memory import Segment
    from catenary_server.domain.tensor import TensorForm, TensorHeader

STREAM_FAULTS = frozenset(
    {Reason.SESSION_CLOSING, Reason.WORKER_CRASHED, Reason.WORKER_HUNG, Reason.DEVICE_UNAVAILABLE}
)
"""What ends a stream of requests: no further item could fare better."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StreamItem:
    """One request of a stream, or why it is none."""

    correlation_id: str
    session_id: str = ""
    inputs: Mapping[str, Input] = dataclasses.field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    fault: Failure | None = None

    @property
    def nbytes(self) -> int:
        """Length of its payloads in bytes, also of those in shared memory."""
        return sum(tensor.nbytes for tensor in self.inputs.values())


@dataclasses.dataclass(frozen=True, slots=True)
class StreamAnswer:
    """What became of one request of a stream."""

    correlation_id: str
    outcome: Inference | Failure


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedInputs:
    """Inputs of which some come in pieces, in the order of their headers."""

    headers: Mapping[str, TensorHeader]
    """What comes in pieces."""
    given: Mapping[str, Tensor] = dataclasses.field(default_factory=dict)
    """What is there already."""
    outputs: tuple[str, ...] = ()


class Inferences:
    """Runs a session's pipeline on a client's tensors."""

    async def infer(self, session: Session, inputs: Mapping[str, Input], outputs: Sequence[str]) -> Inference:
        """Compute the named outputs (`node.port`, or a port name that is unique), or the exit ports if none is named.

        Everything about the inputs is checked here, before the worker sees a byte.

        Raises:
            Failure: STATE_INVALID, INPUT_NAME_MISSING, INPUT_NAME_UNKNOWN, TENSOR_DTYPE, TENSOR_SHAPE,
                TENSOR_SIZE_MISMATCH, FIELD_INVALID for an unknown output, NODE_FAILED, WORKER_CRASHED,
                GPU_OUT_OF_MEMORY, SESSION_CLOSING; SHM_NOT_OWNER, SHM_RANGE, QUOTA_MEMORY for inputs in shared memory.
        """
        with session.engaged() as pipeline:
            segment = session.segment
            shared = shared_inputs(inputs, segment)
            check_inputs(inputs, pipeline.graph.ports().inputs)
            if segment is not None and shared:
                return await _infer_shared(pipeline, inputs, outputs, segment)
            own = {name: each for name, each in inputs.items() if isinstance(each, Tensor)}
            check_elements(own)
            return await pipeline.worker.infer(own, outputs)

    async def stream(
        self, find: Callable[[str], Session], items: AsyncIterator[StreamItem]
    ) -> AsyncGenerator[StreamAnswer, None]:
        """Answer each request of a stream, in the order in which they come; several are in work at once.

        The first request that is none of itself binds the stream to its session.

        Args:
            find: the caller's session of an id; each use keeps it alive.
            items: the requests.

        Raises:
            Failure: the session, its pipeline or its worker is gone. What one request lacks is its answer.
        """
        async for item in items:
            if item.fault is None:
                bound = find(item.session_id)
                bound.require_pipeline()
                break
            yield StreamAnswer(item.correlation_id, item.fault)
        else:
            return

        async def answer(each: StreamItem) -> StreamAnswer:
            find(bound.session_id).require_pipeline()
            return await self._answer(bound, each)

        answers = in_order(_chained(item, items), answer, lambda each: each.nbytes, bound.closed)
        async with contextlib.aclosing(answers):
            async for each in answers:
                yield each

    async def infer_announced(
        self, session: Session, announced: AnnouncedInputs, pieces: AsyncIterator[Piece]
    ) -> Inference:
        """As `infer`, on inputs that come in pieces; they are written straight to where the worker reads them.

        Everything but the elements is checked before the first piece is taken.

        Raises:
            Failure: as `infer`; FIELD_INVALID for a piece out of turn, TENSOR_SIZE_MISMATCH if too few or too many
                bytes come, QUOTA_MEMORY if there is no room for them.
        """
        with session.engaged() as pipeline:
            forms: dict[str, TensorForm] = {**announced.given, **announced.headers}
            check_inputs(forms, pipeline.graph.ports().inputs)
            return await session.unless_closed(_infer_pieces(pipeline, announced, forms, pieces))

    async def _answer(self, session: Session, item: StreamItem) -> StreamAnswer:
        if item.fault is not None:
            return StreamAnswer(item.correlation_id, item.fault)
        if item.session_id != session.session_id:
            return StreamAnswer(item.correlation_id, _other_session())
        try:
            return StreamAnswer(item.correlation_id, await self.infer(session, item.inputs, item.outputs))
        except Failure as failure:
            if failure.reason in STREAM_FAULTS:
                raise
            return StreamAnswer(item.correlation_id, failure)


def check_inputs(inputs: Mapping[str, TensorForm], ports: Mapping[str, PortSpec]) -> None:
    """Check names, element types, shapes and byte lengths of the inputs against the entry ports.

    Raises:
        Failure: INPUT_NAME_UNKNOWN, INPUT_NAME_MISSING, TENSOR_DTYPE, TENSOR_SHAPE, TENSOR_SIZE_MISMATCH.
    """
    unknown = tuple(
        Violation(f"inputs.{name}", "the pipeline has no such input") for name in inputs if name not in ports
    )
    if unknown:
        raise Failure(
            Reason.INPUT_NAME_UNKNOWN,
            f"the pipeline takes {', '.join(ports)}; it has no {unknown[0].subject}",
            violations=unknown,
        )
    missing = tuple(
        Violation(f"inputs.{name}", "the pipeline needs it")
        for name, port in ports.items()
        if not port.optional and name not in inputs
    )
    if missing:
        raise Failure(Reason.INPUT_NAME_MISSING, f"{missing[0].subject} is missing", violations=missing)
    for name, tensor in inputs.items():
        check_form(name, tensor)
        check_against(name, tensor, ports[name].dtype, ports[name].shape)


def check_elements(inputs: Mapping[str, Tensor]) -> None:
    """Check what only the elements show.

    Raises:
        Failure: FIELD_INVALID for bool bytes other than 0 and 1.
    """
    for name, tensor in inputs.items():
        check_tensor(name, tensor)


async def _infer_shared(
    pipeline: LoadedPipeline, inputs: Mapping[str, Input], outputs: Sequence[str], segment: Segment
) -> Inference:
    sizes = [each.nbytes for each in inputs.values()]
    reservation = await pipeline.worker.reserve([max(1, size) for size in sizes])  # no block is empty
    try:
        memory = [each[:size] for each, size in zip(reservation.memory, sizes, strict=True)]
        copies = await gathered(inputs, segment, memory)
        check_elements(copies)
        return await pipeline.worker.infer(copies, outputs, reservation)
    finally:
        reservation.release()


async def _infer_pieces(
    pipeline: LoadedPipeline, announced: AnnouncedInputs, forms: Mapping[str, TensorForm], pieces: AsyncIterator[Piece]
) -> Inference:
    reservation = await pipeline.worker.reserve([form.nbytes for form in forms.values()])
    try:
        memory = dict(zip(forms, reservation.memory, strict=True))
        for name, tensor in announced.given.items():
            memory[name][:] = tensor.data
        assembly = Assembly(tuple(announced.headers), [memory[name] for name in announced.headers])
        async for piece in pieces:
            assembly.take(piece)
        assembly.finish()
        inputs = {name: Tensor(form.dtype, form.shape, memory[name]) for name, form in forms.items()}
        check_elements(inputs)
        return await pipeline.worker.infer(inputs, announced.outputs, reservation)
    finally:
        reservation.release()


def _other_session() -> Failure:
    fault = Violation("inference.session_id", "is another than the first item's, which binds the stream")
    return Failure(Reason.FIELD_INVALID, f"{fault.subject} {fault.description}", violations=(fault,))


async def _chained(first: StreamItem, rest: AsyncIterator[StreamItem]) -> AsyncGenerator[StreamItem, None]:
    yield first
    async for item in rest:
        yield item
