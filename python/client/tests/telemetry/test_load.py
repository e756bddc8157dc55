from __future__ import annotations

import types
from typing import TYPE_CHECKING

from catenary_client.telemetry import load

if TYPE_CHECKING:
    import pytest


def test_processor_and_memory_of_this_process_are_read() -> None:
    usage = load.LoadMeter().read()
    assert usage is not None
    assert 0 <= usage.cpu_percent <= 100
    assert 1 < usage.memory_mb < 1e6


def test_without_the_extra_there_is_no_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "psutil", None)
    monkeypatch.setattr(load, "pynvml", None)
    assert load.LoadMeter().read() is None


class NVMLError(Exception):
    """As the library calls it."""


def accelerator(*, present: bool) -> types.SimpleNamespace:
    """What the library offers, for machines without an accelerator."""

    def begin() -> None:
        if not present:
            raise NVMLError

    return types.SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=begin,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetHandleByUUID=lambda name: name,
        nvmlDeviceGetUtilizationRates=lambda device: types.SimpleNamespace(gpu=75 if device == 1 else 5),
        nvmlDeviceGetMemoryInfo=lambda _: types.SimpleNamespace(used=3e9),
    )


def test_the_accelerator_that_the_training_sees_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    monkeypatch.setattr(load, "pynvml", accelerator(present=True))
    usage = load.LoadMeter().read()
    assert usage is not None
    assert usage.gpu_percent == 75
    assert usage.gpu_memory_mb == 3000


def test_a_machine_without_an_accelerator_reads_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "pynvml", accelerator(present=False))
    usage = load.LoadMeter().read()
    assert usage is not None
    assert usage.gpu_percent == 0
