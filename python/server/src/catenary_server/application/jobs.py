"""From what a session and a request say to what a worker is told: every path absolute and confined."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from catenary_server.domain.failure import Failure, Reason, Violation
from catenary_server.domain.training import TrainRunConfig

if TYPE_CHECKING:
    from catenary_server.application.session import Session
    from catenary_server.domain.config_source import ConfigSource
    from catenary_server.domain.storage import FileArea
    from catenary_server.domain.training import DataConfig


def job_config(session: Session, configs: ConfigSource, *, data: bytes = b"", training: bytes = b"") -> TrainRunConfig:
    """The session's trainrun with the sections that a request has in place of them; a request may have them all.

    Raises:
        Failure: STATE_INVALID without pipeline, CONFIG_INVALID without data, PATH_INVALID, DATASET_NOT_FOUND.
    """
    session.require_pipeline()
    config = session.trainrun or TrainRunConfig(name="run")
    if data:
        config = dataclasses.replace(config, data=configs.read_data(data))
    if training:
        config = dataclasses.replace(config, training=configs.read_training(training))
    if config.data is None:
        raise _invalid("data", "says what to train on; it is missing: call SetTrainRunConfig, or send it")
    return dataclasses.replace(config, data=_confined(config.data, session.area))


def require_losses(config: TrainRunConfig) -> None:
    """Refuse a gradient phase that has nothing to minimise.

    Raises:
        Failure: CONFIG_INVALID.
    """
    if not config.loss_nodes:
        raise _invalid("loss_nodes", "names the nodes whose losses the gradient phase lowers; it is empty")


def _confined(data: DataConfig, area: FileArea) -> DataConfig:
    if data.source != "file":
        return data
    if not data.path:
        raise _invalid("data.path", "names the scene file; it is empty")
    return dataclasses.replace(
        data,
        path=str(area.find_data(data.path)),
        validation_path=str(area.find_data(data.validation_path)) if data.validation_path else None,
        test_path=str(area.find_data(data.test_path)) if data.test_path else None,
    )


def _invalid(key_path: str, fault: str) -> Failure:
    return Failure(Reason.CONFIG_INVALID, f"{key_path} {fault}", violations=(Violation(key_path, fault),))
