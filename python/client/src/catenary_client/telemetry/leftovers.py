"""Sends what earlier runs on this machine could not send."""

from __future__ import annotations

import dataclasses
import logging
import time
from typing import TYPE_CHECKING

from catenary.telemetry.v1 import registration_pb2
from catenary_client.telemetry.backlog import Backlog
from catenary_client.telemetry.control import Commands, Control
from catenary_client.telemetry.link import Link
from catenary_client.telemetry.messages import MessageBuilder
from catenary_client.telemetry.outbox import Outbox
from catenary_client.telemetry.ring import Ring
from catenary_client.telemetry.settings import TelemetrySettings, default_spill_root
from catenary_client.telemetry.spill import RunIdentity, Spill, SpillInUse, encoded, read_identity
from catenary_recordlog import LogError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catenary.telemetry.v1 import command_pb2, training_pb2
    from catenary_client.telemetry.link import Address

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Leftover:
    """What one earlier run left."""

    run_id: str
    sent: bool
    """Whether all of it is durable at the server now."""
    left_messages: int
    """Messages that are still on the disk."""


class _Silent:
    """Nobody is there to obey commands to a run that is over."""

    def tell_result(self, result: command_pb2.CommandResult) -> None:
        """Say nothing."""

    def tell_status(self, status: training_pb2.TrainingStatus.ValueType, message: str) -> None:
        """Say nothing."""


def send_leftovers(
    address: Address,
    *,
    spill_root: Path | None = None,
    except_run: str = "",
    seconds_each: float = 600.0,
    settings: TelemetrySettings | None = None,
) -> list[Leftover]:
    """Send what earlier runs meant for a server and could not send; those that are being written are left alone.

    Args:
        address: of the server; runs that were meant for another one are not touched.
        spill_root: folder of the spills; None for the usual one.
        except_run: a run to leave alone.
        seconds_each: how long one run may take.
        settings: bounds; None for the usual ones.
    """
    root = default_spill_root() if spill_root is None else spill_root
    chosen = TelemetrySettings() if settings is None else settings
    found = []
    for folder, identity in _runs_for(root, address.target):
        if identity.run_id == except_run:
            continue
        try:
            found.append(_send(folder, identity, address, seconds_each, chosen))
        except SpillInUse:
            continue
        except (OSError, LogError) as error:
            _LOG.error("what run %s left cannot be read: %s", identity.run_id, error)
    return found


def open_spill(folder: Path, settings: TelemetrySettings) -> Spill:
    """The spill of a run, with the bounds of the settings.

    Raises:
        SpillInUse, OSError, LogError: if it cannot be opened.
    """
    return Spill(
        folder,
        image_bytes=settings.spill_bytes,
        small_bytes=settings.spill_reserve_bytes,
        segment_bytes=settings.segment_bytes,
    )


def _runs_for(root: Path, server: str) -> Iterator[tuple[Path, RunIdentity]]:
    if not root.is_dir():
        return
    for folder in sorted(root.iterdir()):
        identity = read_identity(folder)
        if identity is not None and identity.server == server:
            yield folder, identity


def _send(
    folder: Path, identity: RunIdentity, address: Address, seconds: float, settings: TelemetrySettings
) -> Leftover:
    spill = open_spill(folder, settings)
    ring = Ring(0, 0)
    builder = MessageBuilder(identity.run_id, pixels=settings.tile_pixels, quality=settings.jpeg_quality)
    backlog = Backlog(ring, builder, spill)
    outbox = Outbox(backlog, builder, settings, lambda: time.time_ns() // 1_000_000)
    registration = registration_pb2.RegisterTrainingSessionRequest(
        session_id=identity.run_id,
        client_name=identity.client_name,
        resume_token=identity.resume_token,
        tags=identity.tags,
    )

    def keep_token(
        request: registration_pb2.RegisterTrainingSessionRequest,
        unanswered: registration_pb2.RegisterTrainingSessionRequest | None,
    ) -> None:
        spill.identify(dataclasses.replace(identity, resume_token=request.resume_token, unanswered=encoded(unanswered)))

    control = Control(Commands.none(), _Silent())
    link = Link(address, registration, outbox, control, keep_token, identity.unanswered_request)
    outbox.finish()
    link.start()
    deadline = time.monotonic() + seconds
    while not link.wait(1.0) and time.monotonic() < deadline:
        link.check()
    link.stop()
    link.join()
    left = outbox.waiting_count
    if outbox.finished:
        spill.delete()
    else:
        outbox.leave()
        spill.close()
    return Leftover(identity.run_id, outbox.finished, left)
