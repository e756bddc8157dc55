from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catenary_tools.semantic_diff import Finding, compare

if TYPE_CHECKING:
    from collections.abc import Callable

BASE = """\
syntax = "proto3";
package catenary.v1;
import "buf/validate/validate.proto";
import "catenary/contract/v1/options.proto";
import "google/protobuf/duration.proto";

service ThingService {
  rpc GetThing(GetThingRequest) returns (GetThingResponse) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (catenary.contract.v1.method) = {
      requirement: {id: "CAT-SES-001" level: LEVEL_MUST text: "A thing is found."}
      requirement: {id: "CAT-SES-002" level: LEVEL_SHOULD text: "It is found soon."}
      codes: [NOT_FOUND, ABORTED]
      idempotent: true
      capability: "sessions"
      scope: "session.read"
    };
  }
  // more RPCs
}

message GetThingRequest {
  string name = 1 [(buf.validate.field).string = {min_len: 2, max_len: 64}];
  uint32 count = 2 [(buf.validate.field).uint32 = {gte: 1, lte: 100}];
  string kind = 3 [(buf.validate.field).string = {in: ["a", "b"]}];
  repeated string tags = 4 [(buf.validate.field).repeated = {max_items: 8, items: {string: {max_len: 16}}}];
  google.protobuf.Duration timeout = 5 [(buf.validate.field).duration = {lte: {seconds: 60}}];
  string path = 6 [(buf.validate.field).string.pattern = "^[a-z]*$"];
  Part part = 7;
  string note = 8 [(buf.validate.field).string.min_len = 3, (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE];
  double rate = 9 [(buf.validate.field).double = {gt: 0, finite: true}];
  oneof source {
    option (buf.validate.oneof).required = true;
    string file = 10;
    bytes content = 11;
  }
  // more fields
  option (buf.validate.message).cel = {id: "thing.rule", message: "count", expression: "this.count < 200u"};
}

message Part {
  string label = 1 [(buf.validate.field).string.max_len = 32, (catenary.contract.v1.field).requirement = {
    id: "CAT-SES-003" level: LEVEL_MUST text: "A label stays."
  }];
}

message GetThingResponse {
  string name = 1 [(buf.validate.field).string.max_len = 64];
  // more results
}

message Unused {
  string name = 1 [(buf.validate.field).string.max_len = 64];
}

enum ErrorReason {
  ERROR_REASON_UNSPECIFIED = 0;
  ERROR_REASON_LOST = 1 [(catenary.contract.v1.reason) = {code: NOT_FOUND retry: RETRY_NEVER}];
  ERROR_REASON_BUSY = 2 [(catenary.contract.v1.reason) = {code: ABORTED retry: RETRY_AFTER_DELAY}];
  // more reasons
}
"""

NEW_RPC = """\
  rpc SetThing(SetThingRequest) returns (SetThingResponse);
}

message SetThingRequest {
  string name = 1 [(buf.validate.field).required = true];
}

message SetThingResponse {"""

Edit = tuple[str, str]

BREAKING: dict[str, Edit] = {
    "a shorter maximum in a request": ("max_len: 64}", "max_len: 63}"),
    "a longer minimum in a request": ("min_len: 2", "min_len: 3"),
    "a lower upper bound in a request": ("lte: 100", "lte: 99"),
    "an upper bound that excludes its value now": ("lte: 100", "lt: 100"),
    "a lower bound that excludes its value now": ("gte: 1,", "gt: 1,"),
    "a range turned inside out": ("gte: 1, lte: 100", "gte: 200, lte: 100"),
    "an allowed value taken away": ('in: ["a", "b"]', 'in: ["a"]'),
    "an allowed value replaced": ('in: ["a", "b"]', 'in: ["a", "c"]'),
    "a forbidden value": ('in: ["a", "b"]', 'in: ["a", "b"], not_in: ["b"]'),
    "fewer items": ("max_items: 8", "max_items: 7"),
    "shorter items": ("max_len: 16", "max_len: 15"),
    "unique items": ("max_items: 8", "max_items: 8, unique: true"),
    "a shorter duration": ("seconds: 60", "seconds: 59, nanos: 999999999"),
    "another pattern": ("^[a-z]*$", "^[a-f]*$"),
    "a required message": ("Part part = 7;", "Part part = 7 [(buf.validate.field).required = true];"),
    "a rule on a message inside a request": ("max_len = 32", "max_len = 31"),
    "zero no longer ignored": (", (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE", ""),
    "another expression": ("this.count < 200u", "this.count < 100u"),
    "a further expression": (
        "  // more fields",
        '  option (buf.validate.message).cel = {id: "thing.more", message: "m", expression: "this.count > 2u"};',
    ),
    "fields that exclude each other": (
        "  // more fields",
        '  option (buf.validate.message).oneof = {fields: ["name", "kind"]};',
    ),
    "a new field that is required": (
        "  // more fields",
        "  optional string extra = 20 [(buf.validate.field).required = true];",
    ),
    "a new field whose zero is refused by a length": (
        "  // more fields",
        "  string extra = 20 [(buf.validate.field).string.min_len = 1];",
    ),
    "a new field whose zero is refused by a bound": (
        "  // more fields",
        "  uint32 extra = 20 [(buf.validate.field).uint32.gt = 0];",
    ),
    "a new field whose zero is refused by a choice": (
        "  // more fields",
        '  string extra = 20 [(buf.validate.field).string = {in: ["a"]}];',
    ),
    "a new field whose zero is refused by a pattern": (
        "  // more fields",
        '  string extra = 20 [(buf.validate.field).string.pattern = "^[a-z]+$"];',
    ),
    "a new field whose zero is refused by a format": (
        "  // more fields",
        "  string extra = 20 [(buf.validate.field).string.uuid = true];",
    ),
    "a longer maximum in a response": ("max_len = 64];\n  // more results", "max_len = 65];\n  // more results"),
    "no maximum in a response": (" [(buf.validate.field).string.max_len = 64];\n  // more results", ";"),
    "a code dropped": ("[NOT_FOUND, ABORTED]", "[NOT_FOUND]"),
    "a code added": ("[NOT_FOUND, ABORTED]", "[NOT_FOUND, ABORTED, DATA_LOSS]"),
    "another stream kind": ("returns (GetThingResponse)", "returns (stream GetThingResponse)"),
    "another capability": ('capability: "sessions"', 'capability: "configs"'),
    "another scope": ('scope: "session.read"', 'scope: "session.write"'),
    "idempotency withdrawn": ("idempotent: true", "idempotent: false"),
    "side effects": ("option idempotency_level = NO_SIDE_EFFECTS;", ""),
    "a must removed": ('requirement: {id: "CAT-SES-001" level: LEVEL_MUST text: "A thing is found."}', ""),
    "a must weakened": ('"CAT-SES-001" level: LEVEL_MUST', '"CAT-SES-001" level: LEVEL_SHOULD'),
    "a must of a field weakened": ('LEVEL_MUST text: "A label', 'LEVEL_MAY text: "A label'),
    "a reason removed": (
        "  ERROR_REASON_BUSY = 2 [(catenary.contract.v1.reason) = {code: ABORTED retry: RETRY_AFTER_DELAY}];",
        "",
    ),
    "another code of a reason": ("code: ABORTED", "code: UNAVAILABLE"),
    "a retry withdrawn": ("retry: RETRY_AFTER_DELAY", "retry: RETRY_NEVER"),
    "a retry bound to a request id": ("retry: RETRY_AFTER_DELAY", "retry: RETRY_SAME_REQUEST_ID"),
}

HARMLESS: dict[str, Edit] = {
    "a longer maximum in a request": ("max_len: 64}", "max_len: 65}"),
    "no minimum in a request": ("min_len: 2, ", ""),
    "a higher upper bound in a request": ("lte: 100", "lte: 101"),
    "an upper bound written otherwise": ("lte: 100", "lt: 101"),
    "a lower bound that includes its value now": ("gt: 0,", "gte: 0,"),
    "a further allowed value": ('in: ["a", "b"]', 'in: ["a", "b", "c"]'),
    "not finite": ("gt: 0, finite: true", "gt: 0"),
    "a longer duration": ("seconds: 60", "seconds: 61"),
    "a oneof that may be empty": ("    option (buf.validate.oneof).required = true;\n", ""),
    "an expression less": (
        '  option (buf.validate.message).cel = {id: "thing.rule", message: "count", expression: "this.count < 200u"};',
        "",
    ),
    "an expression with another message": ('message: "count"', 'message: "too many"'),
    "a new field without rules": ("  // more fields", "  string extra = 20;"),
    "a new optional field with rules": (
        "  // more fields",
        "  optional string extra = 20 [(buf.validate.field).string.min_len = 1];",
    ),
    "a new field whose zero passes": (
        "  // more fields",
        '  string extra = 20 [(buf.validate.field).string = {max_len: 3, not_in: ["b"], pattern: "^[a-z]*$"}];',
    ),
    "a new field whose zero is ignored": (
        "  // more fields",
        (
            "  string extra = 20 [(buf.validate.field).string.min_len = 1, "
            "(buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE];"
        ),
    ),
    "a new list whose items have rules": (
        "  // more fields",
        "  repeated string extra = 20 [(buf.validate.field).repeated.items.string.min_len = 1];",
    ),
    "a shorter maximum in a response": (
        "max_len = 64];\n  // more results",
        "max_len = 63];\n  // more results",
    ),
    "a new field in a response": ("  // more results", "  string extra = 20 [(buf.validate.field).required = true];"),
    "a rule on a message that no RPC uses": ("max_len = 64];\n}\n\nenum", "max_len = 1];\n}\n\nenum"),
    "a new RPC": ("  // more RPCs", NEW_RPC),
    "a requirement reworded": ("A thing is found.", "A thing can be found."),
    "a requirement raised": ('"CAT-SES-002" level: LEVEL_SHOULD', '"CAT-SES-002" level: LEVEL_MUST'),
    "a should removed": ('requirement: {id: "CAT-SES-002" level: LEVEL_SHOULD text: "It is found soon."}', ""),
    "a should added": ("codes:", 'requirement: {id: "CAT-SES-004" level: LEVEL_SHOULD text: "More."}\n      codes:'),
    "a must added": ("codes:", 'requirement: {id: "CAT-SES-004" level: LEVEL_MUST text: "More."}\n      codes:'),
    "codes in another order": ("[NOT_FOUND, ABORTED]", "[ABORTED, NOT_FOUND]"),
    "a new reason": (
        "  // more reasons",
        "  ERROR_REASON_NEW = 3 [(catenary.contract.v1.reason) = {code: DATA_LOSS retry: RETRY_NEVER}];",
    ),
    "a retry allowed": ("code: NOT_FOUND retry: RETRY_NEVER", "code: NOT_FOUND retry: RETRY_AFTER_DELAY"),
    "comments": ("  // more fields", "  // said otherwise"),
}


@pytest.fixture
def compare_with(image_of: Callable[[str], bytes]) -> Callable[[Edit], list[Finding]]:
    def run(edit: Edit) -> list[Finding]:
        before, after = edit
        assert before in BASE
        return compare(image_of(BASE), image_of(BASE.replace(before, after, 1)))

    return run


@pytest.mark.parametrize("edit", BREAKING.values(), ids=BREAKING.keys())
def test_is_breaking(edit: Edit, compare_with: Callable[[Edit], list[Finding]]) -> None:
    findings = compare_with(edit)
    assert [finding for finding in findings if finding.breaking], findings


@pytest.mark.parametrize("edit", HARMLESS.values(), ids=HARMLESS.keys())
def test_is_harmless(edit: Edit, compare_with: Callable[[Edit], list[Finding]]) -> None:
    assert [str(finding) for finding in compare_with(edit) if finding.breaking] == []


def test_the_same_contract_has_no_differences(compare_with: Callable[[Edit], list[Finding]]) -> None:
    assert compare_with(("", "")) == []


def test_a_finding_says_where_and_what(compare_with: Callable[[Edit], list[Finding]]) -> None:
    (finding,) = compare_with(("lte: 100", "lte: 99"))
    assert str(finding) == "catenary.v1.GetThingRequest.count: rule uint32.upper: <= 100 -> <= 99"


def test_a_removed_rpc_is_breaking(compare_with: Callable[[Edit], list[Finding]]) -> None:
    findings = compare_with(("rpc GetThing(", "rpc FindThing("))
    assert "catenary.v1.ThingService.GetThing: the RPC is gone" in map(str, findings)
