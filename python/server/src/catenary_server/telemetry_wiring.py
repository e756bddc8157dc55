"""Composition of telemetry: the store on the disk under the use cases under the transport. Needs no torch."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from catenary_server.application.telemetry import Telemetry
from catenary_server.application.telemetry_upkeep import Retention
from catenary_server.domain.telemetry import TelemetryLimits
from catenary_server.storage.telemetry.store import LocalTelemetryStore
from catenary_server.transport.codec.telemetry_message import TelemetryCodec
from catenary_server.transport.interceptors.rules import FieldRules
from catenary_server.transport.services import TelemetryParts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """What an operator decides about telemetry. Times in seconds.

    Attributes:
        folder: where runs are stored; no other server may use it.
        limits: what writers may send.
        retention: what is kept.
        commit_interval: time in which messages are gathered before they are made durable, and acknowledged so.
    """

    folder: Path
    limits: TelemetryLimits = dataclasses.field(default_factory=TelemetryLimits)
    retention: Retention = dataclasses.field(default_factory=Retention)
    commit_interval: float = 0.1


@contextlib.asynccontextmanager
async def telemetry_parts(settings: TelemetrySettings) -> AsyncIterator[TelemetryParts]:
    """Telemetry, ready to be served, as long as the context lasts; use it on the loop that serves.

    Raises:
        Failure: STATE_INVALID if another server uses the folder; STORAGE_IO.
    """
    codec = TelemetryCodec(FieldRules(), settings.limits)
    store = LocalTelemetryStore(settings.folder, commit_interval=settings.commit_interval)
    telemetry = await Telemetry.start(store, codec, settings.limits, settings.retention)
    async with telemetry.running():
        yield TelemetryParts(telemetry, codec)
