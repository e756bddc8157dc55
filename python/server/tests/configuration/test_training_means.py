import dataclasses
import json
from typing import Any

import pytest

from catenary_server.configuration.schemas import build
from catenary_server.configuration.source import HydraConfigSource
from catenary_server.configuration.training_means import training_means
from catenary_server.domain.node import ParamSpec
from catenary_server.domain.training import CallbacksConfig, OptimizerConfig, SchedulerConfig

MEANS = training_means()


def param(params: tuple[ParamSpec, ...], name: str) -> ParamSpec:
    return next(each for each in params if each.name == name)


def test_every_listed_optimizer_and_scheduler_is_accepted_and_no_other() -> None:
    for group, names in (("optimizer", MEANS.optimizers), ("scheduler", MEANS.schedulers)):
        assert [build(group, {"name": name}).name for name in names] == list(names)  # type: ignore[union-attr] # both groups have names
        with pytest.raises(Exception, match="not valid"):
            build(group, {"name": "magic"})


def test_every_listed_callback_is_accepted() -> None:
    assert MEANS.callbacks
    for callback in MEANS.callbacks:
        required: dict[str, Any] = {each.name: "loss" for each in callback.params if each.required}
        config = build("callbacks", {callback.name: required})
        assert getattr(config, callback.name) is not None


@pytest.mark.parametrize(
    ("config_class", "params"),
    [(OptimizerConfig, MEANS.optimizer_params), (SchedulerConfig, MEANS.scheduler_params)],
)
def test_every_parameter_is_there_with_its_default(config_class: Any, params: tuple[ParamSpec, ...]) -> None:
    fields = {field.name: field.default for field in dataclasses.fields(config_class) if field.name != "name"}
    listed = {each.name: json.loads(each.default) for each in params}
    assert listed == {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
    assert all(each.description and each.type != "object" for each in params)


def test_all_callbacks_of_the_configuration_are_listed() -> None:
    assert [each.name for each in MEANS.callbacks] == [field.name for field in dataclasses.fields(CallbacksConfig)]


def test_rules_are_told_to_people() -> None:
    assert param(MEANS.optimizer_params, "lr").validation == "> 0; <= 10"
    assert param(MEANS.optimizer_params, "momentum").validation == ">= 0; <= 1; only for sgd"
    assert param(MEANS.optimizer_params, "betas").validation == "2 items; only for adam, adamw"
    stopping = next(each for each in MEANS.callbacks if each.name == "early_stopping")
    assert param(stopping.params, "mode").validation == "one of: min, max"
    assert param(stopping.params, "monitor").required


@pytest.mark.parametrize(
    ("group", "config", "key"),
    [
        ("optimizer", {"name": "adam", "momentum": 0.9}, "momentum"),
        ("optimizer", {"name": "sgd", "betas": [0.8, 0.9]}, "betas"),
        ("scheduler", {"name": "cosine", "gamma": 0.5}, "gamma"),
        ("scheduler", {"name": "step", "monitor": "val_iou"}, "monitor"),
    ],
)
def test_a_parameter_without_effect_is_warned_of(
    source: HydraConfigSource, group: str, config: dict[str, Any], key: str
) -> None:
    report = source.validate(group, json.dumps(config).encode())
    assert not report.errors
    assert [doubt.subject for doubt in report.warnings] == [key]
