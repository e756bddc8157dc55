"""The numbers on the wire that clients of other systems rely on."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto
from google.protobuf.descriptor_pool import Default

import catenary.telemetry.v1
import catenary.v1

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
TABLES = {"catenary.v1": "cuvis_wire.txt", "catenary.telemetry.v1": "telemetry_wire.txt"}
FIELD = re.compile(r"(?P<name>\w+):(?P<kind>\?|\[\]|oneof\(\w+\))?(?P<type>[\w<>,]+)=(?P<number>\d+)")
VALUE = re.compile(r"(\w+)=(\d+)( reserved)?")
SCALARS = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_UINT64: "uint64",
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_DOUBLE: "double",
}

for package in (catenary.v1, catenary.telemetry.v1):
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")


def rows(section: str) -> Iterator[tuple[str, str, list[str]]]:
    for package_name, file in TABLES.items():
        found = (HERE / file).read_text().split(f"[{section}]\n")[1].split("\n\n")[0]
        for line in found.splitlines():
            name, *columns = (column.strip() for column in line.split("|"))
            yield package_name, name, columns


def cases(section: str) -> list[object]:
    return [pytest.param(package_name, name, columns, id=name) for package_name, name, columns in rows(section)]


def type_name(field: FieldDescriptor) -> str:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        entries = field.message_type.fields_by_name
        return f"map<{type_name(entries['key'])},{type_name(entries['value'])}>"
    composite = field.message_type or field.enum_type
    return composite.name if composite is not None else SCALARS[field.type]


def written(field: FieldDescriptor) -> str:
    """Write a field as the tables do."""
    is_map = type_name(field).startswith("map<")
    kind = "[]" if field.is_repeated and not is_map else ""
    if field.containing_oneof is not None:
        synthetic = field.containing_oneof.name == f"_{field.name}"
        kind = "?" if synthetic else f"oneof({field.containing_oneof.name})"
    return f"{field.name}:{kind}{type_name(field)}={field.number}"


def check_fields(message: Descriptor, expected: str) -> None:
    proto = DescriptorProto()
    message.CopyToProto(proto)
    reserved = {number for span in proto.reserved_range for number in range(span.start, span.end)}
    for match in FIELD.finditer(expected):
        name, number = match["name"], int(match["number"])
        if match["type"] == "reserved":
            assert number in reserved, f"{message.full_name}: number {number} is not reserved"
            assert name in proto.reserved_name, f"{message.full_name}: name {name} is not reserved"
        else:
            assert name in message.fields_by_name, f"{message.full_name} lacks {name}"
            assert written(message.fields_by_name[name]) == match[0]
    theirs = {match["name"] for match in FIELD.finditer(expected)}
    assert [field.name for field in message.fields if field.name not in theirs and field.number < 100] == []


def test_the_tables_are_not_empty() -> None:
    assert len(list(rows("rpc"))) == 31
    assert all(FIELD.findall(" ".join(columns)) for _, _, columns in rows("message"))


@pytest.mark.parametrize(("package_name", "rpc", "columns"), cases("rpc"))
def test_requests_and_responses_keep_their_numbers(package_name: str, rpc: str, columns: list[str]) -> None:
    pool = Default()
    for suffix, expected in zip(("Request", "Response"), columns, strict=True):
        check_fields(pool.FindMessageTypeByName(f"{package_name}.{rpc}{suffix}"), expected)


@pytest.mark.parametrize(("package_name", "message", "columns"), cases("message"))
def test_shared_messages_keep_their_numbers(package_name: str, message: str, columns: list[str]) -> None:
    check_fields(Default().FindMessageTypeByName(f"{package_name}.{message}"), columns[0])


@pytest.mark.parametrize(("package_name", "enum", "columns"), cases("enum"))
def test_enums_keep_their_numbers_and_have_an_unspecified_zero(
    package_name: str, enum: str, columns: list[str]
) -> None:
    descriptor = Default().FindEnumTypeByName(f"{package_name}.{enum}")
    numbers = values_without_prefix(descriptor)
    assert numbers.pop("UNSPECIFIED") == 0
    for name, number, reserved in VALUE.findall(columns[0]):
        if reserved:
            assert name not in numbers
            assert int(number) not in numbers.values()
        else:
            assert numbers.pop(name) == int(number)
    assert all(number >= 100 for number in numbers.values())


def values_without_prefix(enum: EnumDescriptor) -> dict[str, int]:
    prefix = re.sub(r"(?<=.)(?=[A-Z][a-z])", "_", enum.name).upper() + "_"
    assert all(value.name.startswith(prefix) for value in enum.values)
    return {value.name.removeprefix(prefix): value.number for value in enum.values}
