"""How much a run may use, and how it shows what it does."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Literal, TypeAlias

MIB = 1 << 20

OnFull: TypeAlias = Literal["spill", "block"]
"""What a log call does when neither memory nor disk has room: `spill` leaves images out and counts them, `block`
waits."""
OnStop: TypeAlias = Literal["raise", "return"]
"""What a step does after a command to stop: raise `TrainingStopped`, or return and let the loop ask."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """Bounds and rates of one run; the defaults suit a training at 60 batches a second."""

    ring_bytes: int = 256 * MIB
    """Memory for batches with images that wait to be sent or spilled; half of it before anything goes to the disk."""
    reserve_bytes: int = 16 * MIB
    """Memory for scalars and events that wait; beyond it a log call waits as long as they move on."""
    overflow_seconds: float = 5.0
    """How long it waits when nothing moves, before it fails."""
    unacknowledged_bytes: int = 64 * MIB
    """Memory for what was sent and is not yet durable at the server."""
    spill_bytes: int = 4096 * MIB
    """Disk space for batches with images that the server could not take yet; above it every second one is thinned."""
    spill_reserve_bytes: int = 256 * MIB
    """Disk space for scalars and events besides."""
    segment_bytes: int = 32 * MIB
    """Size of the files of the spill."""
    image_window: int = 4
    """Batches with images under way at most; the server may grant fewer."""
    tiles: int = 16
    """Images shown of each batch."""
    image_every: int = 1
    """Show images with every so many batches."""
    tile_pixels: int = 256
    """Longest side of an image that is encoded here."""
    jpeg_quality: int = 85
    """Quality of an image that is encoded here, 1 to 95."""
    top_k: int = 3
    """Classes listed for each prediction."""
    performance_every: int = 10
    """Report speed and load with every so many batches; 0 never."""
    coalesce_seconds: float = 0.005
    """Scalars logged within this time travel in one message."""
    connect_seconds: float = 5.0
    """How long the start of a run waits for the server before it goes on without."""
    close_seconds: float = 30.0
    """How long the end of a run waits until everything is durable."""
    stop_on_convergence: bool = False
    """Whether `log_epoch(is_converged=True)` ends the training."""


def default_spill_root() -> Path:
    """Where runs spill to: `CATENARY_TELEMETRY_SPILL`, else below the user's folder for state."""
    named = os.environ.get("CATENARY_TELEMETRY_SPILL")
    if named:
        return Path(named)
    state = os.environ.get("XDG_STATE_HOME")
    base = Path(state) if state else Path.home() / ".local" / "state"
    return base / "catenary" / "telemetry"
