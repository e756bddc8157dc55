"""The runs of a session under drawn sequences of calls behave as the model says."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from catenary_conformance.model.machines import check_machine
from catenary_conformance.model.training import TrainingMachine
from catenary_conformance.requirement import capability, requirement, slow

if TYPE_CHECKING:
    from catenary_conformance.run import Run
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload


@requirement("CAT-TRN-023", "CAT-TRN-020", "CAT-TRN-019", "CAT-TRN-018", "CAT-TRN-016")
@requirement("CAT-TRN-008", "CAT-TRN-007")
@capability("pipelines", "evaluation")
@slow  # drawn at random: behind the cases that say of one requirement what is wrong
def test_runs_behave_as_the_model_says(target: Target, run: Run, workload: Workload) -> None:
    machine = functools.partial(TrainingMachine, target, workload)
    check_machine(machine, seed=run.plan.seed, count=3, steps=8)
