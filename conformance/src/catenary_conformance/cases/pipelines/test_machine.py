"""The pipeline of a session under drawn sequences of calls behaves as the model says."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from catenary_conformance.model.machines import check_machine
from catenary_conformance.model.pipelines import Expected, PipelinesMachine
from catenary_conformance.requirement import capability, requirement, slow

if TYPE_CHECKING:
    from catenary_conformance.run import Run
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload


@requirement("CAT-PIP-013", "CAT-PIP-010", "CAT-PIP-005", "CAT-PIP-002")
@capability("training", "inference")
@slow  # drawn at random: behind the cases that say of one requirement what is wrong
def test_a_pipeline_behaves_as_the_model_says(target: Target, run: Run, workload: Workload) -> None:
    session_id = workload.trained()
    expected = Expected(workload.inputs(session_id), workload.outputs(session_id))
    machine = functools.partial(PipelinesMachine, target, workload, expected)
    check_machine(machine, seed=run.plan.seed, count=5, steps=12)
