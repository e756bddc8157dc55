from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary_tools.reasons_page import render

if TYPE_CHECKING:
    from collections.abc import Callable

PROTO = """\
syntax = "proto3";
package catenary.v1;
import "catenary/contract/v1/options.proto";
enum ErrorReason {
  // Not stated.
  ERROR_REASON_UNSPECIFIED = 0;
  // It is lost. Look | elsewhere.
  ERROR_REASON_LOST = 1 [(catenary.contract.v1.reason) = {code: NOT_FOUND retry: RETRY_NEVER}];
  // It came too late.
  ERROR_REASON_LATE = 2 [(catenary.contract.v1.reason) = {retry: RETRY_AFTER_DELAY}];
}
"""


def test_each_reason_has_a_row_with_code_retry_and_comment(image_of: Callable[[str], bytes]) -> None:
    rows = render(image_of(PROTO)).splitlines()[-2:]
    assert rows == [
        "| LOST | NOT_FOUND | no | It is lost. Look \\| elsewhere. |",
        "| LATE | *in band* | after delay | It came too late. |",
    ]


def test_a_reason_without_its_option_is_an_error(image_of: Callable[[str], bytes]) -> None:
    bare = PROTO.replace("= {retry: RETRY_AFTER_DELAY}]", "= {}]").replace(" [(catenary.contract.v1.reason) = {}]", "")
    with pytest.raises(KeyError, match="ERROR_REASON_LATE"):
        render(image_of(bare))
