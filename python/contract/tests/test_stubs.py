"""What the generated stubs need, and what they leave out."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

import catenary

STUBS = sorted(Path(catenary.__path__[0]).rglob("*_pb2*.py"))
IMPORTED = re.compile(r"^(?:from|import) (\S+)", re.MULTILINE)
ALLOWED = ("catenary.", "google.protobuf", "google.rpc", "grpc", "warnings")


def test_there_is_a_stub_for_each_proto_of_the_contract() -> None:
    image = FileDescriptorSet.FromString(files("catenary").joinpath("contract.binpb").read_bytes())
    protos = {file.name.removesuffix(".proto") for file in image.file if file.name.startswith("catenary/")}
    root = Path(catenary.__path__[0]).parent
    modules = {path.relative_to(root).as_posix() for path in STUBS}
    assert {f"{proto}_pb2.py" for proto in protos} == {name for name in modules if name.endswith("_pb2.py")}


def test_stubs_import_only_protobuf_grpc_and_each_other() -> None:
    imports = {name for stub in STUBS for name in IMPORTED.findall(stub.read_text())}
    assert {name for name in imports if not name.startswith(ALLOWED)} == set()


def test_stubs_do_not_mention_the_rules() -> None:
    assert [stub.name for stub in STUBS if b"buf/validate" in stub.read_bytes()] == []


def test_importing_every_stub_loads_nothing_of_buf() -> None:
    root = Path(catenary.__path__[0]).parent
    modules = [path.relative_to(root).with_suffix("").as_posix().replace("/", ".") for path in STUBS]
    program = f"import sys, {', '.join(modules)}; print([m for m in sys.modules if m == 'buf' or m.startswith('buf.')])"
    output = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"


def test_only_services_have_service_stubs() -> None:
    service_stubs = {stub.name for stub in STUBS if stub.name.endswith("_pb2_grpc.py")}
    assert service_stubs
    assert all(name.endswith("_service_pb2_grpc.py") for name in service_stubs)


def test_the_package_is_typed() -> None:
    assert files("catenary").joinpath("py.typed").is_file()
    assert [stub for stub in STUBS if not stub.with_suffix(".pyi").is_file()] == []


def test_the_image_holds_rules_and_comments() -> None:
    image = FileDescriptorSet.FromString(files("catenary").joinpath("contract.binpb").read_bytes())
    by_name = {file.name: file for file in image.file}
    assert "buf/validate/validate.proto" in by_name
    service = by_name["catenary/v1/session_service.proto"]
    assert any(place.leading_comments for place in service.source_code_info.location)


def test_the_contract_itself_is_importable_without_its_tools() -> None:
    assert importlib.util.find_spec("catenary.v1.session_pb2") is not None
