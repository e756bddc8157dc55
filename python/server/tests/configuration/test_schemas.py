import json

import pytest
from jsonschema import Draft202012Validator

from catenary_server.configuration.schemas import build, schema
from catenary_server.domain.config_source import CONFIG_TYPES
from catenary_server.domain.failure import Failure, Reason

MINIMAL: dict[str, dict[str, object]] = {
    "pipeline": {"nodes": [{"name": "a", "class_name": "B"}]},
    "trainrun": {"name": "a"},
    "data": {},
    "training": {},
    "optimizer": {},
    "scheduler": {"name": "step"},
    "callbacks": {},
}


@pytest.mark.parametrize("config_type", CONFIG_TYPES)
def test_every_config_type_has_a_schema_that_agrees_with_its_reader(config_type: str) -> None:
    document = schema(config_type)
    Draft202012Validator.check_schema(document)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    validator = Draft202012Validator(document)
    build(config_type, MINIMAL[config_type])
    assert validator.is_valid(MINIMAL[config_type])
    wrong = {**MINIMAL[config_type], "surprise": 1}
    assert not validator.is_valid(wrong)
    with pytest.raises(Failure) as caught:
        build(config_type, wrong)
    assert "known: " in caught.value.violations[0].description


def test_keys_are_described_where_they_are_defined() -> None:
    optimizer = schema("optimizer")["properties"]
    assert optimizer["lr"]["description"] == "Learning rate."
    assert optimizer["lr"]["exclusiveMinimum"] == 0
    assert json.dumps(schema("trainrun"))


@pytest.mark.parametrize(
    ("data", "subject", "description"),
    [
        ({"training": {"optimizer": {"lr": 0}}}, "training.optimizer.lr", "Input should be greater than 0"),
        ({"training": {"optimizer": {"lr": "fast"}}}, "training.optimizer.lr", "valid number"),
        ({"training": {"optimizer": {"name": "lion"}}}, "training.optimizer.name", "'adam', 'adamw' or 'sgd'"),
        ({"training": {"optimiser": {}}}, "training.optimiser", "known: callbacks, on_non_finite_loss, optimizer,"),
        ({"training": 5}, "training", "must be a mapping"),
        ({"data": {"batch_size": 0}}, "data.batch_size", "greater than or equal to 1"),
        ({"data": {"synthetic": {"row": 1}}}, "data.synthetic.row", "known: bands, cols, rows, seed"),
        ({"pipeline": {"nodes": []}}, "pipeline.nodes", "at least 1 item"),
        ({"pipeline": {"nodes": [{"name": "a"}]}}, "pipeline.nodes.0.class_name", "Field required"),
        (
            {"pipeline": {"nodes": [{"name": "a", "class_name": "B", "param": {}}]}},
            "pipeline.nodes.0.param",
            "known: class_name, name, params",
        ),
    ],
)
def test_a_fault_is_told_with_its_key_path(data: dict[str, object], subject: str, description: str) -> None:
    with pytest.raises(Failure) as caught:
        build("trainrun", {"name": "a", **data})
    (violation,) = caught.value.violations
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert violation.subject == subject
    assert description in violation.description


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(Failure) as caught:
        build("training", {"seed": -1, "optimizer": {"lr": 11, "momentum": 2}, "x": 1})
    subjects = {violation.subject for violation in caught.value.violations}
    assert subjects == {"seed", "optimizer.lr", "optimizer.momentum", "x"}


def test_an_unknown_config_type_is_not_found() -> None:
    with pytest.raises(Failure) as caught:
        schema("plugin")
    assert caught.value.reason is Reason.CONFIG_NOT_FOUND
    assert "trainrun" in caught.value.message
