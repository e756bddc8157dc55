"""The inside of a worker process: reads requests, runs the engine, answers.

Three threads. The main thread reads the socket, so a stop is heard whatever else goes on; what takes no time it answers
itself. One thread trains and evaluates. One thread does everything else in the order it was asked, so that an inference
after a load sees what was loaded, and answers while a run goes on.
"""

from __future__ import annotations

import functools
import importlib
import multiprocessing
import queue
import threading
from typing import TYPE_CHECKING, Any, cast

from catenary_server.runtimes.blocks import IncomingBlocks, OutgoingBlocks
from catenary_server.runtimes.frames import Framing
from catenary_server.runtimes.lifeline import tie_to_server
from catenary_server.runtimes.line import Line
from catenary_server.runtimes.messages import STARTED, Credit, Method, Request, Withdrawal
from catenary_server.runtimes.run import Run

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from catenary_server.domain.runtime import Engine
    from catenary_server.runtimes.confines import Confines
    from catenary_server.runtimes.messages import Message

STOP_SECONDS = 1.0
"""How long a run may take to end by itself when the session closes, so that it can end its own helper processes."""


AT_ONCE = frozenset(
    {Method.STOP_TRAINING, Method.CONTROL, Method.SET_PROFILING, Method.PROFILE, Method.TRIM, Method.PING}
)
"""Methods that take no time, so that they are answered whatever else goes on."""


def run(connection: socket.socket, engine: str, device: str, retained_bytes: int, confines: Confines) -> None:
    """Build the engine, then serve until the front end closes its side.

    Args:
        connection: this worker's end of the socket pair.
        engine: `module:function`, called with `device`.
        device: name of the device to compute on.
        retained_bytes: free shared memory to keep for the next large payload.
        confines: what this process may use.
    """
    tie_to_server()
    confines.enter()
    # Loading processes of a run are copies of this one, which has everything imported. Python would start a forkserver
    # for them here, because this process comes from one, and import torch in it: five seconds at the start of a run.
    multiprocessing.set_start_method("fork", force=True)
    line = Line(connection, Framing(OutgoingBlocks(retained_bytes), IncomingBlocks(writable=True, populate=True)))
    built: list[Engine] = []

    def build() -> None:
        module, _, function = engine.partition(":")
        built.append(getattr(importlib.import_module(module), function)(device))

    line.answer(STARTED, "build_engine", build)
    if built:
        Service(line, built[0], confines).serve()


class Service:
    """Brings requests to the engine, each in the thread it belongs to.

    Args:
        line: where requests come from.
        engine: what answers them.
        confines: where runs may compute.
    """

    def __init__(self, line: Line, engine: Engine, confines: Confines) -> None:
        self._line = line
        self._engine = engine
        self._confines = confines
        self._runs: dict[int, Run] = {}
        self._waiting: set[int] = set()
        self._training: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._ordered: queue.SimpleQueue[Request] = queue.SimpleQueue()

    def serve(self) -> None:
        """Serve until the front end closes its side; a run is asked to stop then, and left behind if it does not."""
        trainer = threading.Thread(target=self._train, name="training", daemon=True)
        trainer.start()
        threading.Thread(target=self._work, name="inference", daemon=True).start()
        for message in self._line.messages():
            self._accept(message)
            del message  # it would keep its payloads until the next one comes
        for phase in tuple(self._runs.values()):
            phase.allow(None)  # nobody reads reports any more
        if self._stop():
            self._training.put(None)
            trainer.join(STOP_SECONDS)

    def _accept(self, message: Message) -> None:
        match message:
            case Request(method=method) if method in AT_ONCE:
                self._answer_at_once(message)
            case Request(call=call, method=Method.TRAIN | Method.EVALUATE):
                self._runs[call] = Run(call, self._line, self._engine)
                self._training.put(message)
            case Request(call=call):
                self._waiting.add(call)
                self._ordered.put(message)
            case Withdrawal(call=call):
                self._waiting.discard(call)
            case Credit(call=call, reports=reports):
                if call in self._runs:
                    self._runs[call].allow(reports)
            case _:
                raise TypeError(f"a front end does not send {type(message).__name__}")

    def _answer_at_once(self, request: Request) -> None:
        call, method, arguments = request.call, request.method, cast("tuple[Any, ...]", request.arguments)
        if method is Method.CONTROL:
            # The run answers, at its next boundary and in its own thread.
            answer = self._engine.control(*arguments)
            answer.add_done_callback(lambda done: self._line.answer(call, method, done.result))
            return
        prompt: dict[Method, Callable[..., object]] = {
            Method.STOP_TRAINING: self._stop,
            Method.SET_PROFILING: self._engine.set_profiling,
            Method.PROFILE: self._engine.profile,
            Method.TRIM: self._line.framing.outgoing.trim,
            Method.PING: _nothing,
        }
        self._line.answer(call, method, functools.partial(prompt[method], *arguments))

    def _stop(self) -> bool:
        runs = tuple(self._runs.values())
        for phase in runs:
            phase.stop()
        return bool(runs)

    def _train(self) -> None:
        self._confines.enter_training()
        while (request := self._training.get()) is not None:
            self._line.answer(request.call, request.method, functools.partial(self._perform, request))

    def _perform(self, request: Request) -> str:
        try:
            return self._runs[request.call].perform(request.method, request.arguments[0])
        finally:
            # Before the answer leaves: whoever has it and asks to stop hears that nothing runs.
            del self._runs[request.call]

    def _work(self) -> None:
        while True:
            self._answer(self._ordered.get())

    def _answer(self, request: Request) -> None:
        if request.call not in self._waiting:
            return
        self._waiting.discard(request.call)
        call, method, arguments = request.call, request.method, list(request.arguments)
        del request
        self._line.answer(call, method, lambda: self._compute(method, arguments))

    def _compute(self, method: Method, arguments: list[Any]) -> object:
        """Call the engine; takes the arguments out of their list, so that no payload outlives the computation."""
        taken = tuple(arguments)
        arguments.clear()
        match method:
            case Method.CATALOG:
                return self._engine.catalog()
            case Method.LOAD_PIPELINE:
                self._engine.load_pipeline(*taken)
            case Method.LOAD_PLUGIN:
                return self._engine.load_plugin(*taken)
            case Method.LOAD_WEIGHTS:
                weights, strict = taken
                return self._engine.load_weights(weights, strict=strict)
            case Method.DUMP_WEIGHTS:
                return memoryview(self._engine.dump_weights())
            case Method.INFER:
                return self._engine.infer(*taken)
            case _:
                raise ValueError(f"{method} is not answered in order")
        return None


def _nothing() -> None:
    """The answer of a process that lives."""
