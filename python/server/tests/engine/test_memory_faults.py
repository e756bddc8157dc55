from __future__ import annotations

import weakref

import pytest
import torch

from catenary_server.domain.failure import Failure, Reason
from catenary_server.engine.faults import node_faults
from catenary_server.engine.memory_faults import memory_faults


class Large:
    """Stands for a tensor; what it is referred to by can be seen."""


def exhausting(seen: list[weakref.ref[Large]], fault: Exception) -> None:
    held = Large()
    seen.append(weakref.ref(held))
    raise fault


@pytest.mark.parametrize("fault", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory")])
def test_a_failure_for_lack_of_memory_holds_nothing_of_what_failed(fault: Exception) -> None:
    seen: list[weakref.ref[Large]] = []
    with pytest.raises(Failure) as caught, memory_faults("the inference"):
        exhausting(seen, fault)
    assert caught.value.reason is Reason.GPU_OUT_OF_MEMORY
    assert seen[0]() is None


def test_nor_does_one_that_met_a_node() -> None:
    seen: list[weakref.ref[Large]] = []
    with pytest.raises(Failure) as caught, memory_faults("the inference"), node_faults("unit", "PixelUnitNormalizer"):
        exhausting(seen, MemoryError())
    assert "unit" in caught.value.message
    assert seen[0]() is None


def test_other_exceptions_pass_as_they_are() -> None:
    with pytest.raises(ZeroDivisionError), memory_faults("the inference"):
        exhausting([], ZeroDivisionError())
