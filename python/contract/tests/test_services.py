"""The RPCs of the contract, and what each declares about itself."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import Counter
from typing import TYPE_CHECKING, cast

import pytest
from google.protobuf.descriptor_pb2 import MethodOptions
from google.rpc import code_pb2

import catenary.telemetry.v1
import catenary.v1
from catenary.contract.v1 import options_pb2
from catenary.v1 import error_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor, FileDescriptor, MethodDescriptor

RPCS = {
    "SessionService": "CreateSession GetSession ListSessions SetSessionSearchPaths CloseSession",
    "ConfigService": "ListConfigs ResolveConfig ValidateConfig GetParameterSchema",
    "PipelineService": "LoadPipeline LoadPipelineWeights SavePipeline GetPipelineInputs GetPipelineOutputs "
    "GetPipelineVisualization DownloadPipeline:S UploadPipeline:C",
    "DatasetService": "UploadDataset:C ListDatasets GetDataset DeleteDataset",
    "TrainingService": "SetTrainRunConfig Train:S WatchTraining:S GetTrainStatus StopTrain Evaluate:S SaveTrainRun "
    "RestoreTrainRun",
    "InferenceService": "Inference StreamInference:B InferenceChunked:B",
    "DiscoveryService": "GetServerInfo ListAvailablePipelines GetPipelineInfo ListAvailableNodes "
    "GetTrainingCapabilities",
    "PluginService": "LoadPlugin ListLoadedPlugins GetPluginInfo ClearPluginCache",
    "ProfilingService": "SetProfiling GetProfilingSummary",
    "TelemetryService": "RegisterTrainingSession StreamTelemetry:B ListRuns GetRun WatchRun:S QueryMetrics "
    "SendCommand DeleteRun",
}
CAPABILITIES = frozenset(
    {
        "sessions",
        "configs",
        "pipelines",
        "pipeline-transfer",
        "visualization",
        "datasets",
        "training",
        "evaluation",
        "inference",
        "stream-inference",
        "chunked-inference",
        "discovery",
        "plugins",
        "profiling",
        "telemetry",
    }
)
AREAS = "session|config|pipeline|dataset|training|inference|discovery|plugin|profiling|telemetry"
SCOPE = re.compile(rf"({AREAS})\.(read|write)")
REQUIREMENT_ID = re.compile(r"CAT-(SES|CFG|PIP|DAT|TRN|INF|DIS|PLG|PRF|TEL|ERR)-(?!000)\d{3}")
ANY_RPC_CODES = {
    code_pb2.OK,
    code_pb2.INVALID_ARGUMENT,
    code_pb2.UNAUTHENTICATED,
    code_pb2.PERMISSION_DENIED,
    code_pb2.RESOURCE_EXHAUSTED,
    code_pb2.UNAVAILABLE,
    code_pb2.UNIMPLEMENTED,
    code_pb2.DEADLINE_EXCEEDED,
    code_pb2.CANCELLED,
    code_pb2.INTERNAL,
    code_pb2.UNKNOWN,  # never sent
}
READING = ("Get", "List", "Validate", "Resolve", "Watch", "Query", "Download")


def files() -> Iterator[FileDescriptor]:
    for package in (catenary.v1, catenary.telemetry.v1):
        for module in pkgutil.iter_modules(package.__path__):
            if not module.name.endswith("_grpc"):
                yield cast("FileDescriptor", importlib.import_module(f"{package.__name__}.{module.name}").DESCRIPTOR)


FILES = list(files())
METHODS: list[MethodDescriptor] = [
    method for file in FILES for service in file.services_by_name.values() for method in service.methods
]
every_rpc = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)


def contract(method: MethodDescriptor) -> options_pb2.MethodContract:
    return method.GetOptions().Extensions[options_pb2.method]


def kind(method: MethodDescriptor) -> str:
    return {(False, False): "", (False, True): ":S", (True, False): ":C", (True, True): ":B"}[
        method.client_streaming, method.server_streaming
    ]


def requirements() -> Iterator[options_pb2.Requirement]:
    for method in METHODS:
        yield from contract(method).requirement
    for file in FILES:
        for message in file.message_types_by_name.values():
            yield from field_requirements(message)


def field_requirements(message: Descriptor) -> Iterator[options_pb2.Requirement]:
    for field in message.fields:
        yield from field.GetOptions().Extensions[options_pb2.field].requirement
    for nested in message.nested_types:
        yield from field_requirements(nested)


def test_the_contract_has_fifty_one_rpcs_with_their_stream_kinds() -> None:
    expected = {f"{service}.{rpc}" for service, rpcs in RPCS.items() for rpc in rpcs.split()}
    assert {f"{method.containing_service.name}.{method.name}{kind(method)}" for method in METHODS} == expected
    assert len(METHODS) == 51


@every_rpc
def test_an_rpc_declares_at_least_one_must(method: MethodDescriptor) -> None:
    assert any(requirement.level == options_pb2.LEVEL_MUST for requirement in contract(method).requirement)


@every_rpc
def test_an_rpc_declares_a_known_capability(method: MethodDescriptor) -> None:
    assert contract(method).capability in CAPABILITIES or method.name == "GetServerInfo"


def test_every_server_tells_what_it_claims() -> None:
    assert [method.name for method in METHODS if not contract(method).capability] == ["GetServerInfo"]


@every_rpc
def test_an_rpc_declares_a_scope_of_a_known_area(method: MethodDescriptor) -> None:
    assert SCOPE.fullmatch(contract(method).scope) or method.name == "SendCommand"


def test_commands_to_a_training_need_a_scope_of_their_own() -> None:
    (command,) = (method for method in METHODS if method.name == "SendCommand")
    assert contract(command).scope == "telemetry.control"


@every_rpc
def test_an_rpc_declares_codes_once_and_only_those_that_not_every_rpc_may_answer(method: MethodDescriptor) -> None:
    codes = list(contract(method).codes)
    assert len(codes) == len(set(codes))
    assert not set(codes) & ANY_RPC_CODES


@every_rpc
def test_an_rpc_without_side_effects_is_idempotent(method: MethodDescriptor) -> None:
    if method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS:
        assert contract(method).idempotent


@every_rpc
def test_an_rpc_that_only_reads_says_so(method: MethodDescriptor) -> None:
    if method.name.startswith(READING):
        assert method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS


@every_rpc
def test_an_rpc_has_a_request_and_a_response_of_its_own(method: MethodDescriptor) -> None:
    assert method.input_type.name == f"{method.name}Request"
    assert method.output_type.name == f"{method.name}Response"


def test_capabilities_are_all_in_use() -> None:
    assert {contract(method).capability for method in METHODS} - {""} == CAPABILITIES


def test_requirement_ids_are_well_formed_and_unique() -> None:
    ids = [requirement.id for requirement in requirements()]
    assert ids
    assert [name for name in ids if not REQUIREMENT_ID.fullmatch(name)] == []
    assert [name for name, count in Counter(ids).items() if count > 1] == []


def test_requirements_have_a_level_and_are_sentences() -> None:
    for requirement in requirements():
        assert requirement.level != options_pb2.LEVEL_UNSPECIFIED, requirement.id
        assert requirement.text.endswith("."), requirement.id


def test_every_reason_has_a_way_to_retry_and_a_code_or_appears_in_band_only() -> None:
    in_band = set()
    for value in error_pb2.ErrorReason.DESCRIPTOR.values[1:]:
        reason = value.GetOptions().Extensions[options_pb2.reason]
        assert reason.retry != options_pb2.RETRY_UNSPECIFIED, value.name
        assert reason.code != code_pb2.UNKNOWN, value.name
        if reason.code == code_pb2.OK:
            in_band.add(value.name.removeprefix("ERROR_REASON_"))
    assert in_band == {"TRAIN_CANCELLED", "COMMAND_EXPIRED"}


def test_only_a_defect_of_the_server_is_internal() -> None:
    internal = [
        value.name
        for value in error_pb2.ErrorReason.DESCRIPTOR.values
        if value.GetOptions().Extensions[options_pb2.reason].code == code_pb2.INTERNAL
    ]
    assert internal == ["ERROR_REASON_INTERNAL_BUG"]
