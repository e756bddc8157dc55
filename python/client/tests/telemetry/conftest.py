from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from telemetry_server import TelemetryServer

from catenary_client.telemetry import Run, TelemetrySettings
from catenary_tools.fault_proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def server() -> Iterator[TelemetryServer]:
    running = TelemetryServer()  # type: ignore[abstract]  # what a trainer does not call is left unimplemented
    yield running
    running.close()


@pytest.fixture
def proxy(server: TelemetryServer) -> Iterator[FaultProxy]:
    with FaultProxy(server.address) as running:
        yield running


@pytest.fixture
def new_run(server: TelemetryServer, tmp_path: Path) -> Callable[..., Run]:
    """Makes runs whose spill lies in the test's folder."""

    def make(address: str = "", *, settings: TelemetrySettings | None = None, **arguments: object) -> Run:
        chosen = TelemetrySettings(close_seconds=20.0) if settings is None else settings
        return Run(address or server.address, spill_root=tmp_path / "spill", settings=chosen, **arguments)  # type: ignore[arg-type] # as `Run` has them

    return make
