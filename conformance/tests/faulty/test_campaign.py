from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from catenary_conformance.faulty.campaign import main
from catenary_conformance.faulty.registry import mutants
from catenary_conformance.faulty.trial import AREAS

if TYPE_CHECKING:
    from pathlib import Path


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["--list", *arguments]) == 0
    return [line.split()[0] for line in capsys.readouterr().out.splitlines()]


def test_every_area_has_a_place_in_the_order_of_cases() -> None:
    assert {each.area for each in mutants().values()} == set(AREAS)


def test_the_list_names_mutants_and_what_they_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--area", "plg"]) == 0
    shown = capsys.readouterr().out
    assert "plg-002-loads-once" in shown
    assert "ses-" not in shown


def test_the_shards_of_a_campaign_have_each_mutant_once(capsys: pytest.CaptureFixture[str]) -> None:
    parts = [name for part in (1, 2, 3) for name in listed(capsys, "--shard", f"{part}/3")]
    assert sorted(parts) == sorted(mutants())


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "1/0", "a/b"])
def test_a_shard_that_there_is_not_is_wrong_usage(shard: str) -> None:
    with pytest.raises(click.UsageError, match="is no shard"):
        main(["--list", "--shard", shard])


def test_a_mutant_that_there_is_not_is_wrong_usage() -> None:
    with pytest.raises(click.UsageError, match="no such mutant"):
        main(["--only", "nothing"])


def test_a_folder_of_configurations_is_needed(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="configurations"):
        main(["--configs", str(tmp_path / "none"), "--only", "ses-001"])
