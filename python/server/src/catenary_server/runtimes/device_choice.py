"""Which device a session gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure, Reason, Violation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catenary_server.domain.runtime import Device

AUTO = "auto"
"""The accelerator with the fewest sessions, or the CPU if there is none."""


def choose_device(requested: str, devices: Sequence[Device], sessions: Mapping[str, int]) -> str:
    """The name of the device to use.

    Args:
        requested: `auto` or the name of a device, for example `cpu` or `cuda:1`.
        devices: what there is.
        sessions: how many workers use each device now.

    Raises:
        Failure: DEVICE_INVALID if there is no device of that name.
    """
    names = [device.name for device in devices]
    if requested == AUTO:
        accelerators = [name for name in names if name != "cpu"] or ["cpu"]
        return min(accelerators, key=lambda name: sessions.get(name, 0))
    if requested not in names:
        known = ", ".join([AUTO, *names])
        message = f"there is no device {requested!r}; choose one of {known}"
        raise Failure(Reason.DEVICE_INVALID, message, violations=(Violation("device", message),))
    return requested
