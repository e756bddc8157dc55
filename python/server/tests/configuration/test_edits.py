import copy
from typing import Any

import pytest

from catenary_server.configuration.edits import Action, Edit, apply_edit
from catenary_server.domain.failure import Failure, Reason

DATA: dict[str, Any] = {
    "name": "a",
    "nodes": [{"name": "n", "class_name": "N", "params": {"k": 1}}, {"name": "2nd", "class_name": "N"}],
    "plain": [1, 2, 3],
    "empty": None,
}


def edited(action: Action, keys: str, value: object = None, *, compares: bool = False) -> dict[str, Any]:
    data = copy.deepcopy(DATA)
    apply_edit(data, Edit(f"{action.value}{keys}", action, tuple(keys.split(".")), value, compares=compares))
    return data


def test_missing_mappings_on_the_way_are_made() -> None:
    assert edited(Action.CHANGE, "x.y.z", 1)["x"] == {"y": {"z": 1}}
    assert edited(Action.CHANGE, "empty.y", 1)["empty"] == {"y": 1}
    assert edited(Action.CHANGE, "nodes.2nd.params.k", 2)["nodes"][1]["params"] == {"k": 2}


def test_entries_of_lists_are_changed_and_taken_out() -> None:
    assert edited(Action.CHANGE, "plain.1", 9)["plain"] == [1, 9, 3]
    assert edited(Action.FORCE, "plain.1", 9)["plain"] == [1, 9, 3]
    assert edited(Action.DELETE, "plain.0")["plain"] == [2, 3]
    assert edited(Action.DELETE, "plain.0", 1, compares=True)["plain"] == [2, 3]


def test_the_older_name_of_params_means_params_in_nodes_only() -> None:
    assert edited(Action.CHANGE, "nodes.n.hparams.k", 5)["nodes"][0]["params"] == {"k": 5}
    assert edited(Action.DELETE, "nodes.n.hparams")["nodes"][0] == {"name": "n", "class_name": "N"}
    assert edited(Action.CHANGE, "hparams.k", 5)["hparams"] == {"k": 5}


@pytest.mark.parametrize(
    ("action", "keys", "value", "subject"),
    [
        (Action.CHANGE, "plain.3", 1, "plain.3"),
        (Action.CHANGE, "plain.first", 1, "plain.first"),
        (Action.CHANGE, "plain.\u0663", 1, "plain.\u0663"),
        (Action.CHANGE, "name.x", 1, "name"),
        (Action.CHANGE, "plain.0.x", 1, "plain.0"),
        (Action.ADD, "plain.0", 1, "plain.0"),
        (Action.ADD, "name", 1, "name"),
        (Action.DELETE, "x.y", None, "x"),
        (Action.DELETE, "plain.0", 2, "plain.0"),
    ],
)
def test_an_edit_that_fits_nowhere_names_the_place(action: Action, keys: str, value: object, subject: str) -> None:
    with pytest.raises(Failure) as caught:
        edited(action, keys, value, compares=value is not None)
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert [violation.subject for violation in caught.value.violations] == [subject]
