"""What the options of `catenary serve` mean together."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from catenary_server.commands import DASHBOARD_PORT, _dashboard, serve

OPTIONS: dict[str, Any] = {
    "port": 50051,
    "no_dashboard": False,
    "dashboard_port": None,
    "dashboard_hosts": (),
    "dashboard_file": None,
}


@pytest.mark.parametrize(
    ("port", "dashboard_port", "expected"), [(50051, None, DASHBOARD_PORT), (0, None, 0), (0, 8080, 8080), (1, 0, 0)]
)
def test_the_dashboard_has_its_own_port_but_any_that_is_free_where_grpc_takes_one_too(
    port: int, dashboard_port: int | None, expected: int
) -> None:
    settings = _dashboard({**OPTIONS, "port": port, "dashboard_port": dashboard_port})
    assert settings is not None
    assert settings.port == expected


def test_the_dashboard_can_be_left_out() -> None:
    assert _dashboard({**OPTIONS, "no_dashboard": True}) is None


def test_help_tells_how_to_move_name_and_leave_out_the_dashboard() -> None:
    shown = CliRunner().invoke(serve, ["--help"]).output
    for option in ("--dashboard-port", "--dashboard-host", "--dashboard-file", "--no-dashboard", str(DASHBOARD_PORT)):
        assert option in shown
