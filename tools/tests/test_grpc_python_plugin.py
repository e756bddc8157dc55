from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from catenary_tools.grpc_python_plugin import generate

if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGE = 'syntax = "proto3";\npackage catenary.v1;\nmessage Thing {}\n'
SERVICE = MESSAGE + "service ThingService { rpc Get(Thing) returns (stream Thing); }\n"
NAME = "catenary/v1/thing.proto"


@pytest.fixture
def request_for(image_of: Callable[[str], bytes]) -> Callable[[str], CodeGeneratorRequest]:
    def build(text: str) -> CodeGeneratorRequest:
        files = FileDescriptorSet.FromString(image_of(text)).file
        return CodeGeneratorRequest(file_to_generate=[NAME], proto_file=files)

    return build


def test_a_service_gets_a_stub_and_its_types(request_for: Callable[[str], CodeGeneratorRequest]) -> None:
    files = {file.name: file.content for file in generate(request_for(SERVICE)).file}
    assert files.keys() == {"catenary/v1/thing_pb2_grpc.py", "catenary/v1/thing_pb2_grpc.pyi"}
    assert "unary_stream" in files["catenary/v1/thing_pb2_grpc.py"]
    assert "UnaryStreamMultiCallable" in files["catenary/v1/thing_pb2_grpc.pyi"]


def test_a_file_without_a_service_gets_nothing(request_for: Callable[[str], CodeGeneratorRequest]) -> None:
    assert not generate(request_for(MESSAGE)).file


def test_descriptors_that_do_not_fit_together_are_an_error(
    request_for: Callable[[str], CodeGeneratorRequest], capfd: pytest.CaptureFixture[str]
) -> None:
    request = request_for(SERVICE)
    request.proto_file[-1].dependency.append("catenary/v1/missing.proto")
    with pytest.raises(RuntimeError, match="protoc ended with status"):
        generate(request)
    assert "missing.proto" in capfd.readouterr().err
