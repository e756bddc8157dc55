"""Removes what a run made on the target: after each case, at the end, and when the process is interrupted.

It sees every response, so a case need not say what it made. What the contract gives no way to remove, saved files,
stays under `conformance/`, where the next run writes over it.
"""

from __future__ import annotations

import atexit
import dataclasses
import threading
import time
from typing import TYPE_CHECKING

import grpc

from catenary.telemetry.v1 import run_request_pb2
from catenary.v1 import dataset_requests_pb2, session_requests_pb2

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from catenary_conformance.contract import Method
    from catenary_conformance.target import Target


@dataclasses.dataclass(frozen=True, slots=True)
class Resource:
    """Something on the target that a case made."""

    kind: str
    """`session`, `run` or `dataset`."""
    id: str
    token: str = dataclasses.field(compare=False, repr=False)
    """Of the principal that it belongs to."""
    case: str = dataclasses.field(compare=False)
    """The case that made it."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Removal:
    rpc: str
    request: Callable[[str], Message]
    answers: frozenset[grpc.StatusCode]
    """Codes that say that it is gone, or never was there."""


LIVE_SECONDS = 10.0
"""Longer than three of the heartbeat intervals that servers use."""
_PAUSE_SECONDS = 0.5
_GONE = frozenset({grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND})
# Sessions first: a run goes on, and writes, while its session is there.
_REMOVALS = {
    "session": _Removal("CloseSession", lambda id_: session_requests_pb2.CloseSessionRequest(session_id=id_), _GONE),
    "run": _Removal("DeleteRun", lambda id_: run_request_pb2.DeleteRunRequest(run_id=id_), _GONE),
    "dataset": _Removal("DeleteDataset", lambda id_: dataset_requests_pb2.DeleteDatasetRequest(dataset_id=id_), _GONE),
}


class Janitor:
    """Knows what was made on a target, and removes it."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._made: dict[Resource, None] = {}
        self._case = ""
        self._waiting = threading.Event()
        target.observers.append(self._saw)
        atexit.register(self.sweep)

    def begin_case(self, name: str) -> None:
        """What is made from now on is this case's."""
        self._case = name

    def made(self, kind: str, identity: str, token: str = "") -> None:
        """Remember something to be removed. Responses are watched already: this is for what they do not tell."""
        if identity:
            with self._lock:
                self._made[Resource(kind, identity, token, self._case)] = None

    def removed(self, kind: str, identity: str) -> None:
        """Forget something that is gone."""
        with self._lock:
            self._made.pop(Resource(kind, identity, "", ""), None)

    @property
    def present(self) -> tuple[Resource, ...]:
        """What is there, as far as is known."""
        with self._lock:
            return tuple(self._made)

    def sweep(self, *, patience: float = LIVE_SECONDS) -> list[Resource]:
        """Remove everything; returns what could not be removed.

        Args:
            patience: seconds to wait, before the time factor, for what is in use: a run counts as live for a while
                after its last message.
        """
        until = time.monotonic() + self._target.seconds(patience)
        left = self._remove_all()
        while left and time.monotonic() < until:
            self._waiting.wait(_PAUSE_SECONDS)
            left = self._remove_all()
        return left

    def tidy(self, *, keep: frozenset[str]) -> None:
        """Remove sessions and datasets, but those of the ids in `keep`, behind a case; runs are left to the sweep."""
        for each in self.present:
            if each.kind != "run" and each.id not in keep:
                self._remove(each)

    def _remove_all(self) -> list[Resource]:
        waiting = self.present
        return [each for kind in _REMOVALS for each in waiting if each.kind == kind and not self._remove(each)]

    def close(self) -> None:
        """Watch no longer."""
        atexit.unregister(self.sweep)
        self._target.observers.remove(self._saw)

    def _remove(self, resource: Resource) -> bool:
        removal = _REMOVALS[resource.kind]
        answer = self._target.quiet_call(removal.rpc, removal.request(resource.id), token=resource.token)
        gone = answer.code in removal.answers
        if gone:
            self.removed(resource.kind, resource.id)
        return gone

    def _saw(self, method: Method, request: Message | None, response: Message, token: str) -> None:
        if method.name in {"CreateSession", "RestoreTrainRun"}:
            self.made("session", getattr(response, "session_id", ""), token)
        elif method.name == "RegisterTrainingSession":
            self.made("run", getattr(response, "session_id", ""), token)
        elif method.name in {"Train", "WatchTraining"}:
            self.made("run", _run_id(response), token)
        elif method.name == "UploadDataset":
            self.made("dataset", response.dataset.dataset_id, token)  # type: ignore[attr-defined] # of that RPC
        elif request is not None:
            self._saw_removal(method, request)

    def _saw_removal(self, method: Method, request: Message) -> None:
        for kind, removal in _REMOVALS.items():
            if method.name == removal.rpc:
                identity = next((value for field, value in request.ListFields() if field.name.endswith("_id")), "")
                self.removed(kind, str(identity))


def _run_id(response: Message) -> str:
    inner = getattr(response, "progress", response)
    return str(getattr(inner, "run_id", ""))
