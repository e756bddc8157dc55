from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from catenary_client.cli import run

if TYPE_CHECKING:
    from scripted_server import ScriptedServer


@pytest.fixture(autouse=True)
def environment(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATENARY_SERVER", server.address)
    monkeypatch.setenv("COLUMNS", "200")


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(arguments) == 0
    return capsys.readouterr().out


def test_node_types_are_listed_with_their_ports(capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, "nodes").splitlines()
    assert [line.split() for line in lines] == [["class", "name", "category", "inputs", "outputs"], *(
        [name, "model", "data"] for name in ("LAD", "RX")
    )]  # fmt: skip
    assert "plugin ndvi" in output(capsys, "nodes", "--session", "s")


def test_one_node_type_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    shown = output(capsys, "nodes", "RX")
    for part in ("Somebody 1990", "data: float32 [-1, -1, -1, -1] - spectra (several)", "eps: number = 0.5", "(> 0)"):
        assert part in shown
    assert json.loads(output(capsys, "nodes", "RX", "--json"))["class_name"] == "RX"


def test_a_node_type_that_is_not_there_is_a_mistake_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["nodes", "Nothing"]) == 2
    assert "Nothing" in capsys.readouterr().err


def test_plugins_are_loaded_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert output(capsys, "plugins", "load", "ndvi", "--session", "s") == "loaded ndvi 1.0: A, B\n"
    assert "plugin-sam" in output(capsys, "plugins", "list", "--session", "s")
    assert "plugin-ndvi" in output(capsys, "plugins", "show", "ndvi", "--session", "s")
