"""What holds for all protos of the contract and neither buf nor a stub shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from catenary_tools import check
from catenary_tools.generation import IMAGE
from catenary_tools.image import FIELD_RULES, Image
from catenary_tools.rules import constraints

if TYPE_CHECKING:
    from catenary_tools.constraints import Constraint

ROOT = Path(__file__).parents[2]
ONE_ENUM_FILES = {"error.proto"}  # an enum cannot be split over files
# Leaving it out is the usual case and means CONTINUE.
ZERO_IS_THE_DEFAULT = {"catenary.v1.TrainRequest.on_disconnect"}


@pytest.fixture(scope="module")
def image() -> Image:
    return Image((ROOT / IMAGE).read_bytes())


def test_the_protos_are_formatted_and_lint_clean() -> None:
    assert check.check_format(ROOT) == check.FINE
    assert check.check_lint(ROOT) == check.FINE


def test_no_lint_rule_is_switched_off() -> None:
    configuration = (ROOT / "buf.yaml").read_text()
    assert "except" not in configuration
    assert [file for file in (ROOT / "proto").rglob("*.proto") if "buf:lint:ignore" in file.read_text()] == []


def test_files_are_short_enough_to_read() -> None:
    long = [
        file.name
        for file in (ROOT / "proto").rglob("*.proto")
        if len(file.read_text().splitlines()) > 300 and file.name not in ONE_ENUM_FILES
    ]
    assert long == []


def test_enums_in_requests_take_defined_values_other_than_zero(image: Image) -> None:
    enums = dict(image.enums())
    loose = {
        f"{name}.{field.name}"
        for name, message in image.messages()
        for field in message.field
        if name.endswith("Request")
        and field.type_name.removeprefix(".") in enums
        and not is_strict(constraints(image.option(field.options, FIELD_RULES)))
    }
    assert loose == ZERO_IS_THE_DEFAULT


def is_strict(found: dict[str, Constraint]) -> bool:
    """Tell whether rules on an enum, or on a list of them, let only defined values other than zero pass."""
    by_name = {path.rpartition(".")[2]: constraint for path, constraint in found.items()}
    return "in" in by_name or ("defined_only" in by_name and "not_in" in by_name and by_name["not_in"].refuses(0))
