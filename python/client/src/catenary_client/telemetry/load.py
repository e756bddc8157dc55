"""What the trainer's machine does: processor, memory, accelerator."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from catenary.telemetry.v1 import telemetry_pb2

if TYPE_CHECKING:
    from types import ModuleType


def _optional(name: str) -> ModuleType | None:
    """A module of the extra `telemetry`, which need not be installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


psutil = _optional("psutil")
pynvml = _optional("pynvml")

_MEGABYTE = 1e6


class LoadMeter:
    """Reads the load of this machine. Not for several threads at once."""

    def __init__(self) -> None:
        self._process: Any = None
        self._device: Any = None
        if psutil is not None:
            self._process = psutil.Process()
            psutil.cpu_percent()  # the first reading has nothing to compare with
        if pynvml is not None:
            self._device = _visible_device(pynvml)

    def read(self) -> telemetry_pb2.ResourceUsage | None:
        """The load since the last reading; None without the extra `telemetry`."""
        if psutil is None:
            return None
        usage = telemetry_pb2.ResourceUsage(
            cpu_percent=psutil.cpu_percent(), memory_mb=self._process.memory_info().rss / _MEGABYTE
        )
        if pynvml is not None and self._device is not None:
            try:
                usage.gpu_percent = pynvml.nvmlDeviceGetUtilizationRates(self._device).gpu
                usage.gpu_memory_mb = pynvml.nvmlDeviceGetMemoryInfo(self._device).used / _MEGABYTE
            except pynvml.NVMLError:
                self._device = None  # it fell off the bus, or belongs to somebody else now
        return usage


def _visible_device(nvml: Any) -> object | None:  # noqa: ANN401 - the library has no types
    """The accelerator that the training sees first; None when there is none."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    device: object | None = None
    try:
        nvml.nvmlInit()
        if named.isdigit():
            device = nvml.nvmlDeviceGetHandleByIndex(int(named))
        elif named.startswith("GPU-"):
            device = nvml.nvmlDeviceGetHandleByUUID(named)
    except nvml.NVMLError:
        return None
    return device
