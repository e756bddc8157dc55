"""Overrides in drawn sequences apply as the model says."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from catenary_conformance.model.configs import ConfigsMachine
from catenary_conformance.model.machines import check_machine
from catenary_conformance.requirement import requirement, slow

if TYPE_CHECKING:
    from catenary_conformance.cases.configs.conftest import Resolver
    from catenary_conformance.run import Run
    from catenary_conformance.target import Target


@requirement("CAT-CFG-014", "CAT-CFG-012", "CAT-CFG-005", "CAT-CFG-004")
@slow  # drawn at random: behind the cases that say of one requirement what is wrong
def test_overrides_apply_as_the_model_says(target: Target, run: Run, resolver: Resolver) -> None:
    machine = functools.partial(ConfigsMachine, target, resolver.session_id, resolver.trainrun, resolver.json())
    check_machine(machine, seed=run.plan.seed, count=2, steps=6)
