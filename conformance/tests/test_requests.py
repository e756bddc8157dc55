from catenary_conformance.contract import Contract
from catenary_conformance.requests import requests_naming


def test_every_request_that_can_name_a_session_is_valid_and_names_it() -> None:
    contract = Contract.load()
    found = {method.name: request for method, request in requests_naming(contract, "s-1")}
    assert {"GetSession", "Train", "StreamInference", "InferenceChunked", "RestoreTrainRun"} <= set(found)
    assert not {"CreateSession", "GetServerInfo", "UploadDataset", "RegisterTrainingSession"} & set(found)
    for name, request in found.items():
        assert not contract.violations(request), name
        assert b"s-1" in request.SerializeToString(), name


def test_every_rpc_with_a_session_id_has_one() -> None:
    contract = Contract.load()
    named = {method.name for method, _ in requests_naming(contract, "s-1")}
    for method in contract.methods.values():
        if method.service.startswith("catenary.v1.") and "session_id" in method.request.DESCRIPTOR.fields_by_name:
            assert method.name in named
