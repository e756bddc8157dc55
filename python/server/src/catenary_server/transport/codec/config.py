"""Configurations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.v1 import config_pb2, config_requests_pb2
from catenary_server.domain.config_source import CONFIG_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from catenary_server.domain.config_source import ConfigFile, ConfigReport, ResolvedConfig, SourceFile
    from catenary_server.domain.failure import Violation

_ERROR = config_pb2.ConfigViolation.SEVERITY_ERROR
_WARNING = config_pb2.ConfigViolation.SEVERITY_WARNING


def encode_config_file(file: ConfigFile) -> config_pb2.ConfigFile:
    """A file that can be resolved."""
    return config_pb2.ConfigFile(config_type=file.config_type, path=file.name, search_path=file.search_path)


def encode_resolved(resolved: ResolvedConfig) -> config_requests_pb2.ResolveConfigResponse:
    """A composed configuration with the files that took part."""
    return config_requests_pb2.ResolveConfigResponse(
        config_bytes=resolved.content, source_files=[_source_file(file) for file in resolved.files]
    )


def encode_report(report: ConfigReport) -> config_requests_pb2.ValidateConfigResponse:
    """What is wrong with a configuration, as sentences and in parts."""
    return config_requests_pb2.ValidateConfigResponse(
        valid=not report.errors,
        errors=_sentences(report.errors),
        warnings=_sentences(report.warnings),
        violations=[*_violations(report.errors, _ERROR), *_violations(report.warnings, _WARNING)],
    )


def _source_file(file: SourceFile) -> config_pb2.ConfigFile:
    group = file.name.partition("/")[0]
    return config_pb2.ConfigFile(
        config_type=group if group in CONFIG_TYPES else "", path=file.name, search_path=file.search_path
    )


def _sentences(faults: Iterable[Violation]) -> list[str]:
    return [f"{fault.subject}: {fault.description}" if fault.subject else fault.description for fault in faults]


def _violations(
    faults: Iterable[Violation], severity: config_pb2.ConfigViolation.Severity.ValueType
) -> Iterator[config_pb2.ConfigViolation]:
    for fault in faults:
        yield config_pb2.ConfigViolation(key_path=fault.subject, message=fault.description, severity=severity)
