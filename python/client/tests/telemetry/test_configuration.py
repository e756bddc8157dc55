from __future__ import annotations

import re

import pytest

from catenary_client.telemetry.configuration import new_run_id, training_config


def test_known_settings_have_their_places_and_others_are_hyperparameters() -> None:
    config = training_config({"batch_size": 8, "class_names": ("a", "b"), "momentum": 0.9, "learning_rate": 0.1})
    assert config.batch_size == 8
    assert list(config.class_names) == ["a", "b"]
    assert config.learning_rate == 0.1
    assert dict(config.hyperparameters) == {"momentum": "0.9"}


def test_a_known_setting_of_another_type_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size cannot be 'many'"):
        training_config({"batch_size": "many"})


@pytest.mark.parametrize("name", ["", "digits", "a b/c", "---", "x" * 300, "\u00fcml"])
def test_an_id_is_one_that_servers_take_and_no_other_run_has(name: str) -> None:
    first, second = new_run_id(name), new_run_id(name)
    assert first != second
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", first)
