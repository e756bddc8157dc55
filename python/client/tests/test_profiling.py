from __future__ import annotations

import json
from typing import TYPE_CHECKING

from catenary_client.cli import run

if TYPE_CHECKING:
    import pytest
    from scripted_server import ScriptedServer

    from catenary_client import Client


def test_settings_that_are_not_given_are_not_sent(client: Client, server: ScriptedServer) -> None:
    with client.session() as session:
        assert session.set_profiling(True, synchronize_cuda=False, reset=True, skip_first_n=0) is True
        assert session.set_profiling(False) is False
    given, bare = server.requests["SetProfiling"]
    assert (given.synchronize_cuda, given.reset, given.skip_first_n) == (False, True, 0)
    assert given.HasField("synchronize_cuda")
    assert given.HasField("skip_first_n")
    assert not bare.HasField("synchronize_cuda")
    assert not bare.HasField("skip_first_n")


def test_times_are_those_of_the_stage_that_is_asked_for(client: Client, server: ScriptedServer) -> None:
    with client.session() as session:
        (times,) = session.profile("train")
        assert (times.node, times.stage, times.count, times.mean_ms, times.last_ms) == ("rx", "TRAIN", 4, 1.5, 2.0)
        session.profile()
    asked, bare = server.requests["GetProfilingSummary"]
    assert asked.HasField("stage")
    assert not bare.HasField("stage")


def test_the_command_line_turns_it_on_shows_and_turns_it_off(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CATENARY_SERVER", server.address)
    monkeypatch.setenv("COLUMNS", "200")
    assert run(["profile", "on", "abc", "--skip", "3", "--synchronize"]) == 0
    (request,) = server.requests["SetProfiling"]
    assert (request.session_id, request.skip_first_n, request.synchronize_cuda) == ("abc", 3, True)
    assert run(["profile", "show", "abc"]) == 0
    shown = capsys.readouterr().out
    assert "median" in shown
    assert "1.500" in shown
    assert run(["profile", "off", "abc", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"profiling_enabled": False}
