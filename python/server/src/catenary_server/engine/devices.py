"""Where torch can compute."""

from __future__ import annotations

import functools
import platform

import torch

from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.runtime import Device


def list_devices() -> tuple[Device, ...]:
    """The CPU, and every CUDA device with its memory."""
    devices = [Device(name="cpu", description=platform.processor() or platform.machine())]
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        description = torch.cuda.get_device_name(index)
        devices.append(
            Device(name=f"cuda:{index}", description=description, memory_total_bytes=total, memory_free_bytes=free)
        )
    return tuple(devices)


def accelerator_in_use() -> bool:
    """Whether this process computes on an accelerator; asking does not make it begin to."""
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]  # torch leaves it untyped


@functools.cache
def choose_device(name: str) -> torch.device:
    """The device of that name; empty or `auto` = the first accelerator, or the CPU without one.

    Raises:
        Failure: DEVICE_INVALID if this machine has no such device.
    """
    if name in ("", "auto"):
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    known = {"cpu"} | {f"cuda:{index}" for index in range(torch.cuda.device_count())} if name != "cpu" else {"cpu"}
    if name not in known:
        description = f"there is no device {name!r}; there are: {', '.join(sorted(known))}"
        raise Failure(Reason.DEVICE_INVALID, description, violations=(Violation("device", description),))
    return torch.device(name)
