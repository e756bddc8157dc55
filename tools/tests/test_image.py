from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary_tools.image import FIELD_RULES, METHOD_OPTION, Image, enum_name

if TYPE_CHECKING:
    from collections.abc import Callable

PROTO = """\
syntax = "proto3";
package catenary.v1;
import "buf/validate/validate.proto";
import "catenary/contract/v1/options.proto";
service ThingService {
  rpc GetThing(Outer) returns (Outer) {
    option (catenary.contract.v1.method) = {codes: [NOT_FOUND]};
  }
}
message Outer {
  message Inner {
    string name = 1 [(buf.validate.field).string.max_len = 64];
    enum Kind { KIND_UNSPECIFIED = 0; }
  }
  string bare = 1;
}
enum Colour {
  // None at all.
  COLOUR_UNSPECIFIED = 0;
  // Like the sky,
  // by day.
  COLOUR_BLUE = 1;
}
"""


@pytest.fixture
def image(image_of: Callable[[str], bytes]) -> Image:
    return Image(image_of(PROTO))


def test_options_of_the_images_own_pool_are_found(image: Image) -> None:
    (method,) = [method for name, method in image.methods() if name == "catenary.v1.ThingService.GetThing"]
    contract = image.option(method.options, METHOD_OPTION)
    assert contract is not None
    assert [enum_name(contract, "codes", code) for code in contract.codes] == ["NOT_FOUND"]  # type: ignore[attr-defined]


def test_rules_of_nested_messages_are_found(image: Image) -> None:
    inner = dict(image.messages())["catenary.v1.Outer.Inner"]
    rules = image.option(inner.field[0].options, FIELD_RULES)
    assert rules is not None
    assert rules.string.max_len == 64  # type: ignore[attr-defined]


def test_an_option_that_is_not_set_is_none(image: Image) -> None:
    outer = dict(image.messages())["catenary.v1.Outer"]
    assert image.option(outer.field[0].options, FIELD_RULES) is None
    assert image.option(outer.field[0].options, "no.such.option") is None


def test_nested_enums_are_found(image: Image) -> None:
    assert {"catenary.v1.Colour", "catenary.v1.Outer.Inner.Kind"} <= dict(image.enums()).keys()


def test_comments_of_values_come_as_one_line(image: Image) -> None:
    assert image.enum_comments("catenary.v1.Colour") == {
        "COLOUR_UNSPECIFIED": "None at all.",
        "COLOUR_BLUE": "Like the sky, by day.",
    }


def test_comments_of_an_unknown_enum_are_an_error(image: Image) -> None:
    with pytest.raises(KeyError, match=r"catenary\.v1\.Nothing"):
        image.enum_comments("catenary.v1.Nothing")


def test_what_the_contract_imports_is_not_visited(image: Image) -> None:
    assert not [name for name, _ in image.messages() if name.startswith(("google.", "buf."))]
