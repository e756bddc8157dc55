from __future__ import annotations

import grpc
import pytest

from catenary_conformance.contract import Contract, Level, Retry

CONTRACT = Contract.load()


def test_every_rpc_of_the_contract_is_read_with_its_promises() -> None:
    assert len(CONTRACT.methods) == 51
    method = CONTRACT.method("CloseSession")
    assert method.path == "/catenary.v1.SessionService/CloseSession"
    assert (method.capability, method.scope, method.idempotent) == ("sessions", "session.write", True)
    assert method.codes == {grpc.StatusCode.NOT_FOUND}
    assert grpc.StatusCode.INVALID_ARGUMENT in method.allowed
    assert grpc.StatusCode.UNKNOWN not in method.allowed


def test_streams_are_told_from_single_messages() -> None:
    kinds = {(each.client_streaming, each.server_streaming) for each in CONTRACT.methods.values()}
    assert kinds == {(False, False), (False, True), (True, False), (True, True)}


def test_requirements_of_rpcs_and_of_fields_are_found() -> None:
    of_rpc = CONTRACT.requirements["CAT-SES-007"]
    assert (of_rpc.level, of_rpc.area, of_rpc.subject) == (Level.MUST, "SES", "catenary.v1.SessionService.CloseSession")
    of_field = CONTRACT.requirements["CAT-SES-021"]
    assert of_field.methods == ("/catenary.v1.SessionService/CreateSession",)
    assert of_field.id in CONTRACT.method("CreateSession").requirements


def test_requirement_ids_are_in_order_and_general_ones_concern_every_rpc() -> None:
    assert list(CONTRACT.requirements) == sorted(CONTRACT.requirements)
    assert len(CONTRACT.requirements["CAT-ERR-001"].methods) == len(CONTRACT.methods)


def test_reasons_have_their_code_and_their_retry() -> None:
    reason = CONTRACT.reasons["SESSION_NOT_FOUND"]
    assert (reason.code, reason.retry) == (grpc.StatusCode.NOT_FOUND, Retry.NEVER)


def test_a_name_that_no_rpc_has_is_refused() -> None:
    with pytest.raises(KeyError):
        CONTRACT.method("NoSuchCall")


def test_rules_inside_messages_lists_and_maps_are_found_with_their_places() -> None:
    names = {rule.name: rule.place.value for rule in CONTRACT.rules(CONTRACT.method("SendCommand").request)}
    assert names["command.learning_rate:double.lte"] == "field"
    assert names["command.parameters:map.keys.string.in"] == "key"
    assert names["command:control_command.argument_matches_type"] == "message"
    paths = {rule.name: rule.place.value for rule in CONTRACT.rules(CONTRACT.method("SetSessionSearchPaths").request)}
    assert paths["search_paths:repeated.items.string.max_bytes"] == "item"


def test_what_a_message_breaks_is_named_as_the_rules_are() -> None:
    method = CONTRACT.method("CreateSession")
    request = method.request(request_id="!", labels={"UPPER": "x" * 300})
    broken = set(CONTRACT.violations(request))
    assert {each.name for each in broken} == {
        "request_id:string.pattern",
        "labels:map.keys.string.pattern",
        "labels:map.values.string.max_len",
    }
    assert broken <= set(CONTRACT.rules(method.request))


def test_values_that_no_rule_looks_at_are_left_out() -> None:
    fields = {rule.field for rule in CONTRACT.rules(CONTRACT.method("Inference").request)}
    assert not any(field.startswith(("inputs.cube", "inputs.extra_inputs.")) for field in fields)
