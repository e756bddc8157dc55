from __future__ import annotations

import pytest

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.runtime import Device
from catenary_server.runtimes.device_choice import choose_device

CPU, FIRST, SECOND = (Device(name=name, description=name) for name in ("cpu", "cuda:0", "cuda:1"))


def test_auto_takes_the_cpu_where_there_is_nothing_else() -> None:
    assert choose_device("auto", [CPU], {"cpu": 9}) == "cpu"


def test_auto_takes_the_accelerator_with_the_fewest_sessions() -> None:
    assert choose_device("auto", [CPU, FIRST, SECOND], {"cuda:0": 2, "cuda:1": 1}) == "cuda:1"
    assert choose_device("auto", [CPU, FIRST, SECOND], {}) == "cuda:0"


def test_a_named_device_is_used_however_busy_it_is() -> None:
    assert choose_device("cuda:0", [CPU, FIRST, SECOND], {"cuda:0": 5}) == "cuda:0"
    assert choose_device("cpu", [CPU, FIRST, SECOND], {}) == "cpu"


@pytest.mark.parametrize("name", ["", "cuda", "cuda:2", "CPU", "mps"])
def test_a_device_that_is_not_there_is_refused_with_the_names_of_those_that_are(name: str) -> None:
    with pytest.raises(Failure, match="auto, cpu, cuda:0, cuda:1") as caught:
        choose_device(name, [CPU, FIRST, SECOND], {})
    assert caught.value.reason is Reason.DEVICE_INVALID
    assert caught.value.violations[0].subject == "device"
