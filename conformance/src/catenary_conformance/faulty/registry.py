"""Every mutant there is."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from catenary_conformance.faulty import (
    access,
    configs,
    datasets,
    discovery,
    inference,
    inference_streams,
    loading,
    pipelines,
    plugins,
    profiling,
    progress,
    run_ends,
    session_ends,
    sessions,
    telemetry_epochs,
    telemetry_runs,
    telemetry_stream,
    telemetry_watch,
    training,
    trainruns,
    transfers,
    transport,
    validation,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary_conformance.faulty.mutant import Mutant

_FILES = (
    sessions,
    session_ends,
    configs,
    loading,
    pipelines,
    transfers,
    datasets,
    discovery,
    inference,
    inference_streams,
    training,
    run_ends,
    progress,
    trainruns,
    profiling,
    plugins,
    telemetry_runs,
    telemetry_stream,
    telemetry_epochs,
    telemetry_watch,
    transport,
    access,
    validation,
)


@cache
def mutants() -> Mapping[str, Mutant]:
    """The mutants by their ids.

    Raises:
        ValueError: two have one id.
    """
    found: dict[str, Mutant] = {}
    for file in _FILES:
        for each in file.MUTANTS:
            if each.id in found:
                raise ValueError(f"two mutants are called {each.id}")
            found[each.id] = each
    return MappingProxyType(found)
