"""Sessions under drawn sequences of calls behave as the model says."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest

from catenary.v1.config_requests_pb2 import ListConfigsRequest
from catenary.v1.session_requests_pb2 import GetSessionRequest
from catenary_conformance import rpcs
from catenary_conformance.model.machines import check_machine
from catenary_conformance.model.sessions import SessionsMachine
from catenary_conformance.requirement import capability, requirement, slow

if TYPE_CHECKING:
    from catenary_conformance.run import Run
    from catenary_conformance.target import Target


@requirement("CAT-SES-018", "CAT-SES-016", "CAT-SES-015", "CAT-SES-014", "CAT-SES-013", "CAT-SES-012")
@requirement("CAT-SES-008", "CAT-SES-007", "CAT-SES-003", "CAT-SES-002")
@capability("configs")
@slow  # drawn at random: behind the cases that say of one requirement what is wrong
def test_sessions_behave_as_the_model_says(target: Target, run: Run, session: str) -> None:
    roots = rpcs.GET_SESSION.ok(target, GetSessionRequest(session_id=session)).session.search_paths
    listed = rpcs.LIST_CONFIGS.ok(target, ListConfigsRequest(session_id=session)).configs
    inside = next((f"{each.search_path}/{each.path.partition('/')[0]}" for each in listed if "/" in each.path), "")
    if not inside:
        pytest.skip("the target lists no configuration in a folder below its root")
    machine = functools.partial(SessionsMachine, target, roots, inside)
    check_machine(machine, seed=run.plan.seed, count=10, steps=15)
