"""Everything behind a run: memory, disk, threads, connection."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from catenary_client.errors import error_for
from catenary_client.telemetry.backlog import Backlog
from catenary_client.telemetry.faults import TelemetryError
from catenary_client.telemetry.leftovers import open_spill, send_leftovers
from catenary_client.telemetry.link import Link
from catenary_client.telemetry.messages import MessageBuilder
from catenary_client.telemetry.outbox import Outbox
from catenary_client.telemetry.pump import Pump
from catenary_client.telemetry.ring import Ring
from catenary_client.telemetry.spill import RunIdentity, SpillInUse, encoded, read_identity
from catenary_recordlog import LogError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from catenary.telemetry.v1 import registration_pb2
    from catenary_client.telemetry.control import Control
    from catenary_client.telemetry.link import Address
    from catenary_client.telemetry.settings import TelemetrySettings
    from catenary_client.telemetry.spill import Spill

_LOG = logging.getLogger(__name__)
_KEPT_BYTES: Final = 8 << 20


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What became of a run's telemetry when the run was closed."""

    run_id: str
    complete: bool
    """Whether everything that was logged is durable at the server."""
    durable_sequence: int
    """Last sequence that is durable at the server; 0 when it does not number."""
    left_messages: int
    """Messages that are not, about; scalars that were still in memory count each."""
    spill_folder: Path | None
    """Where they wait for the next run on this machine; None when nothing is left, or it could not be kept."""
    dropped_images: int
    """Batches whose images were left out, since neither memory nor disk had room."""
    rejected: int
    """Messages and images that the server did not take."""
    failure: str
    """Why the server wants nothing more of this run; empty usually."""


def now_ms() -> int:
    """The trainer's clock, milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


def keep_freed_memory() -> None:
    """Have the C library use the memory of messages again, instead of giving it back after each and fetching it anew.

    Every large block that is freed raises the size up to which it does so (M_MMAP_THRESHOLD in mallopt(3)). A training
    has freed larger ones by then, usually; this one was never touched.
    """
    bytes(_KEPT_BYTES)


class Delivery:
    """Takes what was logged to the server.

    Args:
        registration: the run.
        class_names: names of the classes, in the order of their indices.
        block: whether logging waits when there is no room.
        spill_root: folder of the spills.
    """

    def __init__(
        self,
        address: Address,
        registration: registration_pb2.RegisterTrainingSessionRequest,
        control: Control,
        settings: TelemetrySettings,
        *,
        class_names: Sequence[str],
        block: bool,
        spill_root: Path,
    ) -> None:
        self.continues = False
        """Whether an earlier process began this run here, so that the server has seen it running."""
        self.ring = Ring(settings.ring_bytes, settings.reserve_bytes, block=block, patience=settings.overflow_seconds)
        self._address = address
        self._registration = registration
        self._settings = settings
        self._spill_root = spill_root
        self._unanswered: registration_pb2.RegisterTrainingSessionRequest | None = None
        self._spill = self._open_spill(spill_root / registration.session_id)
        builder = MessageBuilder(
            registration.session_id,
            class_names=class_names,
            top_k=settings.top_k,
            pixels=settings.tile_pixels,
            quality=settings.jpeg_quality,
        )
        self._backlog = Backlog(self.ring, builder, self._spill)
        self._outbox = Outbox(self._backlog, builder, settings, now_ms)
        self._link = Link(address, registration, self._outbox, control, self._keep_token, self._unanswered)
        self.pump = Pump(
            self.ring, self._outbox, self._link, builder, interval=settings.coalesce_seconds, now_ms=now_ms
        )

    @property
    def spilled_bytes(self) -> int:
        """Bytes on the disk."""
        return self._backlog.spilled_bytes

    def start(self) -> None:
        """Connect; without a server, go on and connect later.

        Raises:
            CatenaryError: if the server refuses the run.
        """
        keep_freed_memory()
        self._keep_token(self._registration, self._unanswered)
        self._link.start()
        if not self._link.attempted.wait(self._settings.connect_seconds):
            _LOG.warning("%s does not answer: the run goes on without it for now", self._address.target)
        if self._link.failure is not None:
            self._link.join()
            if self._spill is not None:
                self._spill.close()
            raise error_for(self._link.failure, "RegisterTrainingSession")
        self.pump.start()
        threading.Thread(target=self._send_leftovers, name="telemetry-leftovers", daemon=True).start()

    def finish(self, seconds: float) -> RunReport:
        """Wait until everything is durable, no longer than this, and keep the rest for a later run."""
        self.pump.tell_figures()  # any later, and the stream, once ended, would have to be opened again for them
        self._outbox.finish()
        finished = self._link.wait(seconds) and self._outbox.finished
        complete = finished and not self._backlog.abandoned
        self._link.stop()
        self._link.join()
        self.pump.stop()
        left = self._outbox.waiting_count + self._backlog.abandoned
        kept = False
        if self._spill is not None:
            kept = not complete and self._outbox.leave()
            if complete:
                self._spill.delete()
            else:
                self._spill.close()
        report = RunReport(
            run_id=self._registration.session_id,
            complete=complete,
            durable_sequence=self._outbox.durable_sequence,
            left_messages=0 if complete else left,
            spill_folder=self._spill.folder if kept and self._spill is not None else None,
            dropped_images=self._backlog.dropped_images,
            rejected=self._link.rejected,
            failure="" if self._link.failure is None else self._link.failure.message,
        )
        if not complete:
            where = f"kept in {report.spill_folder}" if kept else "lost, since the disk could not keep it"
            _LOG.warning("%d messages of run %s did not reach the server: %s", left, report.run_id, where)
        return report

    def _open_spill(self, folder: Path) -> Spill | None:
        """The run's room on the disk; an earlier process may have left something there."""
        try:
            identity = read_identity(folder)
            spill = open_spill(folder, self._settings)
        except SpillInUse:
            raise
        except (OSError, LogError, TelemetryError) as error:
            _LOG.warning("telemetry has no room on the disk, only in memory: %s", error)
            return None
        if identity is not None and identity.server == self._address.target:
            self._registration.resume_token = identity.resume_token
            self._unanswered = identity.unanswered_request
            self.continues = bool(identity.resume_token)
        return spill

    def _keep_token(
        self,
        registration: registration_pb2.RegisterTrainingSessionRequest,
        unanswered: registration_pb2.RegisterTrainingSessionRequest | None,
    ) -> None:
        if self._spill is None:
            return
        identity = RunIdentity(
            run_id=registration.session_id,
            server=self._address.target,
            client_name=registration.client_name,
            resume_token=registration.resume_token,
            tags=dict(registration.tags),
            unanswered=encoded(unanswered),
        )
        try:
            self._spill.identify(identity)
        except OSError as error:
            _LOG.warning("the token of run %s cannot be kept: %s", identity.run_id, error)

    def _send_leftovers(self) -> None:
        """Once connected, see to what earlier runs left."""
        while not self._link.registered:
            if self._link.wait(1.0):
                return
        send_leftovers(
            self._address,
            spill_root=self._spill_root,
            except_run=self._registration.session_id,
            settings=self._settings,
        )
