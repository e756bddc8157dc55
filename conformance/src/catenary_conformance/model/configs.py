"""Overrides as the contract says they apply: a model without a server, and the machine that holds a target to it."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from catenary.v1.config_requests_pb2 import ResolveConfigRequest, ResolveConfigResponse
from catenary_conformance import rpcs

if TYPE_CHECKING:
    from catenary_conformance.answer import Answer
    from catenary_conformance.target import Target

VALUES = {
    "training.trainer.max_epochs": st.integers(1, 500),
    "training.optimizer.lr": st.sampled_from([0.5, 0.25, 0.0005]),
    "training.seed": st.integers(0, 10_000),
    "name": st.sampled_from(["one", "two"]),
}
"""Keys that the contract names, or that every train run has, and values for them."""
WRONG = {
    "training.seed=word": "CONFIG_INVALID",
    "training.optimizer.lr=-1": "CONFIG_INVALID",
    "training.no_such_key=1": "CONFIG_INVALID",
    "nonsense": "OVERRIDE_SYNTAX",
    "training.seed=${oc.env:HOME}": "CONFIG_RESOLVER_FORBIDDEN",
    "training._target_=f": "CONFIG_TARGET_FORBIDDEN",
}
"""Overrides that are refused, with the reason."""


@dataclasses.dataclass(slots=True)
class OverridesModel:
    """A configuration and the overrides of a request, in order.

    Attributes:
        base: the configuration without any.
        overrides: dotted keys with values.
    """

    base: dict[str, Any]
    overrides: list[tuple[str, int | float | str]] = dataclasses.field(default_factory=list)

    def resolved(self) -> dict[str, Any]:
        """The configuration with each key as the last override of it says, and all others as they were."""
        config = copy.deepcopy(self.base)
        for key, value in self.overrides:
            inner = config
            *outer, last = key.split(".")
            for each in outer:
                inner = inner[each]
            inner[last] = value
        return config


class ConfigsMachine(RuleBasedStateMachine):
    """Adds and takes away overrides, and resolves.

    Args:
        target: the server.
        session_id: session whose search paths count.
        trainrun: name of a train run.
        base: what it resolves to without overrides.
    """

    def __init__(self, target: Target, session_id: str, trainrun: str, base: dict[str, Any]) -> None:
        super().__init__()
        target.begin_example()
        self._target, self._session_id, self._trainrun = target, session_id, trainrun
        self._model = OverridesModel(base)
        self._seen: dict[tuple[str, ...], bytes] = {}

    @rule(drawn=st.sampled_from(sorted(VALUES)).flatmap(lambda key: VALUES[key].map(lambda value: (key, value))))
    def override(self, drawn: tuple[str, int | float | str]) -> None:
        """Append an override."""
        self._model.overrides.append(drawn)

    @rule()
    def forget(self) -> None:
        """Take the last override away."""
        del self._model.overrides[-1:]

    @rule()
    def resolve(self) -> None:
        """The result is that of the model, and the same bytes each time."""
        written = tuple(f"{key}={value}" for key, value in self._model.overrides)
        response: ResolveConfigResponse = self._ask(*written).expect_ok()
        assert json.loads(response.config_bytes) == self._model.resolved()
        before = self._seen.setdefault(written, response.config_bytes)
        assert response.config_bytes == before, "the same request answered other bytes"

    @rule(wrong=st.sampled_from(sorted(WRONG)))
    def refuse(self, wrong: str) -> None:
        """One override that is wrong has the request refused, whatever the others are."""
        written = [f"{key}={value}" for key, value in self._model.overrides]
        rpcs.expect_reason(self._ask(*written, wrong), WRONG[wrong])

    def _ask(self, *overrides: str) -> Answer:
        request = ResolveConfigRequest(
            session_id=self._session_id, config_type="trainrun", path=self._trainrun, overrides=overrides
        )
        return rpcs.RESOLVE_CONFIG.answer(self._target, request)
