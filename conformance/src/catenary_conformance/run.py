"""One run of the suite against one target: what the fixtures give to cases, and who is skipped."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

import grpc

from catenary_conformance.contract import Contract
from catenary_conformance.janitor import Janitor
from catenary_conformance.requirement import capability_names, is_enumerated, requirement_ids
from catenary_conformance.skipping import SkipReason
from catenary_conformance.target import Settings, Target, TargetUnreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from catenary.v1 import discovery_service_pb2
    from catenary_conformance.janitor import Resource

UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
CORE = frozenset({"sessions", "configs", "discovery"})
PROFILES: Mapping[str, frozenset[str]] = {
    "core": CORE,
    "train": CORE | {"pipelines", "datasets", "training", "evaluation"},
    "infer": CORE | {"pipelines", "inference"},
    "telemetry": frozenset({"telemetry"}),
}
"""Capabilities of each profile; `full` has all."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is tried, and how much."""

    profile: str = ""
    """Name of a profile; empty for whatever the target claims."""
    budget: float = 60.0
    """Seconds after which cases that take long or draw at random are left out."""
    seed: int = 0
    destructive: bool = False
    plugin: str = ""
    """Plugin that sessions of the target may load."""
    near: str = ""
    """The target's Unix socket."""
    only: tuple[str, ...] = ()
    """Ids of requirements, areas of them or parts of names of cases; empty for all."""

    @property
    def options(self) -> frozenset[str]:
        """Names of the options that were given, of those without which something cannot be reached."""
        return frozenset(name for name in ("plugin", "near") if getattr(self, name))

    def wants(self, name: str, requirement_ids: tuple[str, ...]) -> bool:
        """Whether a case is among those that are tried."""
        if not self.only:
            return True
        return any(
            each in name or any(id_.startswith((each, f"CAT-{each}-")) for id_ in requirement_ids) for each in self.only
        )


class Run:
    """A run against a target.

    Attributes:
        contract: what the target is held against.
        target: the server.
        janitor: removes what was made.
        near: the same server by its Unix socket, where that is known; else the target itself.
        plan: what is tried.
        info: what the target says of itself; None when it does not answer GetServerInfo.
        claimed: capabilities that the target claims.
        unreachable: why the target cannot be reached; empty when it can.
        leaks: what could not be removed at the end.
        asks_for_tokens: whether the target refuses callers without one.
    """

    def __init__(self, settings: Settings, plan: Plan) -> None:
        self.contract = Contract.load()
        self.target = Target(settings, self.contract)
        self.janitor = Janitor(self.target)
        self.near = self._near(settings)
        self.plan = plan
        self.began = time.monotonic()
        self.info: discovery_service_pb2.GetServerInfoResponse | None = None
        self.claimed: frozenset[str] = frozenset()
        self.asks_for_tokens = False
        self.leaks: list[Resource] = []
        self.unreachable = ""
        self._finished = False

    def start(self) -> None:
        """Reach the target and ask what it claims.

        Raises:
            TargetUnreachable: nobody answers.
        """
        try:
            self.target.connect()
        except TargetUnreachable as error:
            self.unreachable = str(error)
            raise
        self.target.learn_alias()
        answer = self.target.quiet_call("GetServerInfo")
        self.info = answer.response if answer.ok else None
        self.asks_for_tokens = self.target.quiet_call("GetServerInfo", token=None).code is UNAUTHENTICATED
        self.claimed = frozenset() if self.info is None else frozenset(each.name for each in self.info.capabilities)
        self.began = time.monotonic()

    def finish(self) -> None:
        """Remove what is left and close the connection; what could not be removed is in `leaks`."""
        if self._finished:
            return
        self._finished = True
        self.leaks = self.janitor.sweep()
        self.janitor.close()
        self.near.close()
        self.target.close()

    def _near(self, settings: Settings) -> Target:
        if not settings.near:
            return self.target
        there = dataclasses.replace(settings, address=settings.near, near="", tls=False, tls_ca=None)
        near = Target(there, self.contract, self.target.recorder)
        near.observers = self.target.observers  # what is made there is removed as well
        return near

    @property
    def expected(self) -> frozenset[str]:
        """Capabilities whose cases run."""
        return expected_of(self.contract, self.plan, self.claimed)

    @property
    def seconds_left(self) -> float:
        """What is left of the budget."""
        return self.plan.budget - (time.monotonic() - self.began)

    def needed(self, item: pytest.Item) -> frozenset[str]:
        """Capabilities that a case needs: by its own word, and those of the RPCs that its requirements stand with."""
        found = set(capability_names(item))
        for each in requirement_ids(item):
            required = self.contract.requirements.get(each)
            if required is not None and required.area != "ERR":
                found |= self._capabilities_of(required.methods, required.subject)
        return frozenset(found) - {""}

    def _capabilities_of(self, paths: tuple[str, ...], subject: str) -> set[str]:
        """That of the RPC itself; of a field that several RPCs have, one of them is enough."""
        capabilities = {self.contract.methods[path].capability for path in paths}
        if any(self.contract.methods[path].full_name == subject for path in paths) or len(capabilities) == 1:
            return capabilities
        return capabilities if not capabilities & self.expected else set()

    def skip_reason(self, item: pytest.Item) -> tuple[SkipReason, str] | None:
        """Why a case is not tried, if it is not."""
        missing = self.needed(item) - self.expected
        if missing:
            return SkipReason.CAPABILITY_NOT_CLAIMED, f"the target does not claim {', '.join(sorted(missing))}"
        if item.get_closest_marker("needs_two_tenants") and not self.target.settings.second_token:
            return self._no_tenants()
        if item.get_closest_marker("needs_gpu") and not self._has_accelerator():
            return SkipReason.NEEDS_ACCELERATOR, "the target has no accelerator"
        return self._left_out(item)

    def _left_out(self, item: pytest.Item) -> tuple[SkipReason, str] | None:
        """Why a case is not tried by the choice of whoever runs the suite."""
        if item.get_closest_marker("destructive") and not self.plan.destructive:
            return SkipReason.DESTRUCTIVE, "it can take the target down or fill it up; --destructive tries it"
        if self.seconds_left <= 0 and not is_enumerated(item):
            return SkipReason.BUDGET, f"the {self.plan.budget:.0f} s are used up; --budget gives more"
        return None

    def _no_tenants(self) -> tuple[SkipReason, str]:
        if self.asks_for_tokens:
            return SkipReason.NEEDS_SECOND_PRINCIPAL, "give the token of a second principal with --second-token"
        return SkipReason.CAPABILITY_NOT_CLAIMED, "the target asks for no tokens, so it knows one principal only"

    def _has_accelerator(self) -> bool:
        return self.info is not None and any(each.name != "cpu" for each in self.info.devices)


def expected_of(contract: Contract, plan: Plan, claimed: frozenset[str]) -> frozenset[str]:
    """Capabilities whose cases run: those of the profile, or those that the target claims."""
    everything = frozenset(contract.capabilities)
    profile = {**PROFILES, "full": everything}.get(plan.profile)
    return claimed & everything if profile is None else profile
