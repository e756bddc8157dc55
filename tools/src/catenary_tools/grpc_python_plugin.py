"""A protoc plugin that writes the gRPC service stubs for Python, with their type stubs.

``grpcio-tools`` has that generator built in, yet not as a plugin that buf could start. This bridges the two: it reads
the request that buf sends and lets the built-in protoc generate from the descriptors in it. Files without a service
get no stubs, where the built-in generator would write empty ones.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc


def generate(request: CodeGeneratorRequest) -> CodeGeneratorResponse:
    """Return ``*_pb2_grpc.py`` and ``*_pb2_grpc.pyi`` for each file to generate that has a service.

    Raises ``RuntimeError`` when protoc refuses the descriptors; it says why on standard error.
    """
    response = CodeGeneratorResponse(supported_features=CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL)
    with_service = {file.name for file in request.proto_file if file.service}
    names = [name for name in request.file_to_generate if name in with_service]
    if names:
        response.file.extend(_stubs(request, names))
        response.file.extend(_type_stubs(request, names))
    return response


def _stubs(request: CodeGeneratorRequest, names: list[str]) -> list[CodeGeneratorResponse.File]:
    with tempfile.TemporaryDirectory() as folder:
        descriptors = Path(folder, "descriptors.binpb")
        descriptors.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
        output = Path(folder, "output")
        output.mkdir()
        status = protoc.main(["protoc", f"--descriptor_set_in={descriptors}", f"--grpc_python_out={output}", *names])
        if status != 0:
            raise RuntimeError(f"protoc ended with status {status}")
        return [
            CodeGeneratorResponse.File(name=path.relative_to(output).as_posix(), content=path.read_text())
            for path in sorted(output.rglob("*_pb2_grpc.py"))
        ]


def _type_stubs(request: CodeGeneratorRequest, names: list[str]) -> list[CodeGeneratorResponse.File]:
    narrowed = CodeGeneratorRequest()
    narrowed.CopyFrom(request)
    narrowed.parameter = "quiet"
    del narrowed.file_to_generate[:]
    narrowed.file_to_generate.extend(names)
    plugin = Path(sys.executable).with_name("protoc-gen-mypy_grpc")
    output = subprocess.run([plugin], input=narrowed.SerializeToString(), capture_output=True, check=True).stdout
    return list(CodeGeneratorResponse.FromString(output).file)


def main() -> None:
    """Read a request from standard input and write the response to standard output."""
    request = CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    sys.stdout.buffer.write(generate(request).SerializeToString())
