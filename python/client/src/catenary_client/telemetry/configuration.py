"""How a training is set up, as the server keeps it."""

from __future__ import annotations

import importlib.metadata
import re
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from catenary.telemetry.v1 import registration_pb2, training_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catenary.telemetry.v1 import command_pb2

_NAME_CHARACTERS: Final = 64
_VALUE_CHARACTERS: Final = 256  # 1024 bytes at four bytes each
_KNOWN: Final = frozenset(training_pb2.TrainingConfig.DESCRIPTOR.fields_by_name) - {"hyperparameters"}


def training_config(settings: Mapping[str, object]) -> training_pb2.TrainingConfig:
    """A configuration from settings: those that the contract knows by their names, the others as hyperparameters.

    Raises:
        ValueError: if a known setting has a value of another type.
    """
    config = training_pb2.TrainingConfig()
    for name, value in settings.items():
        if name not in _KNOWN:
            config.hyperparameters[name[:_NAME_CHARACTERS]] = str(value)[:_VALUE_CHARACTERS]
        elif name == "class_names" and isinstance(value, list | tuple):
            config.class_names.extend(str(item)[:_NAME_CHARACTERS] for item in value)
        else:
            _set(config, name, value)
    return config


def new_run_id(name: str) -> str:
    """An id that no other run has: the name, the time and some chance."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:_NAME_CHARACTERS] or "run"
    return f"{readable}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(8)}"


def registration_of(
    *,
    run_id: str,
    name: str,
    tags: Mapping[str, str],
    commands: Sequence[command_pb2.CommandCapability],
    config: training_pb2.TrainingConfig,
) -> registration_pb2.RegisterTrainingSessionRequest:
    """The request that makes a training a run; without an id it gets a new one."""
    return registration_pb2.RegisterTrainingSessionRequest(
        session_id=run_id or new_run_id(name),
        client_name=name or Path(sys.argv[0]).name or "python",
        client_version=importlib.metadata.version("catenary-client"),
        tags=tags,
        commands=commands,
        config=config,
    )


def _set(config: training_pb2.TrainingConfig, name: str, value: object) -> None:
    try:
        setattr(config, name, value)
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{name} cannot be {value!r}: {error}") from error
