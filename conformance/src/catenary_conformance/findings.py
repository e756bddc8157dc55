"""What a run found out, apart from the connection that it found it out by: it can be sent between processes."""

from __future__ import annotations

import collections
import dataclasses
import time
from typing import TYPE_CHECKING

from catenary_conformance.run import Plan, expected_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc

    from catenary.v1 import discovery_service_pb2
    from catenary_conformance.contract import Contract
    from catenary_conformance.janitor import Resource
    from catenary_conformance.run import Run
    from catenary_conformance.verdict import CaseResult


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a run found out, or one lane of it."""

    plan: Plan
    nonce: str
    """What was made on the target is named with it; with those of all lanes, behind commas."""
    address: str
    time_factor: float
    round_trip: float
    """Seconds of a call that does nothing."""
    start_time: float
    """When the first case could begin, in seconds since the epoch."""
    info: discovery_service_pb2.GetServerInfoResponse | None
    """What the target says of itself; None when it does not answer GetServerInfo."""
    claimed: frozenset[str]
    codes: collections.Counter[tuple[str, grpc.StatusCode]]
    """How often an RPC, by its path, answered a code."""
    cases: tuple[CaseResult, ...]
    leaks: tuple[Resource, ...]
    """What could not be removed."""
    known_digest: bytes = b""
    """SHA-256 of the list of known failures."""

    def expected(self, contract: Contract) -> frozenset[str]:
        """Capabilities whose cases ran."""
        return expected_of(contract, self.plan, self.claimed)


def findings_of(run: Run, cases: Sequence[CaseResult], known_digest: bytes = b"") -> Findings:
    """What a run found out, after it has finished."""
    settings = run.target.settings
    return Findings(
        plan=run.plan,
        nonce=settings.nonce,
        address=settings.address,
        time_factor=settings.time_factor,
        round_trip=run.target.round_trip,
        start_time=time.time() - (time.monotonic() - run.began),
        info=run.info,
        claimed=run.claimed,
        codes=run.target.recorder.codes,
        cases=tuple(cases),
        leaks=tuple(run.leaks),
        known_digest=known_digest,
    )


def joined(lanes: Sequence[Findings], budget: float) -> Findings:
    """What several lanes of a run found out; of the target itself, what the first one saw.

    Args:
        lanes: at least one.
        budget: of the whole run, in seconds.
    """
    codes: collections.Counter[tuple[str, grpc.StatusCode]] = collections.Counter()
    for each in lanes:
        codes.update(each.codes)
    return dataclasses.replace(
        lanes[0],
        plan=dataclasses.replace(lanes[0].plan, budget=budget),
        nonce=",".join(each.nonce for each in lanes),
        start_time=min(each.start_time for each in lanes),
        codes=codes,
        cases=tuple(case for each in lanes for case in each.cases),
        leaks=tuple(leak for each in lanes for leak in each.leaks),
    )
