"""An override changes one key; what is no override, or asks for what is forbidden, is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from catenary_conformance.requirement import requirement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary_conformance.cases.configs.conftest import Resolver

_HOME = ("${oc.env:HOME}", "${hydra:runtime.cwd}", "${now:%Y}")


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401 - JSON
    """Every value of a configuration by the keys and indices that lead to it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*path, str(index)))
    else:
        yield path, value


def _differences(before: Any, after: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Dotted keys whose values differ, with the new value."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    return {".".join(key): new.get(key) for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


@requirement("CAT-CFG-005")
@pytest.mark.parametrize(
    ("key", "value"), [("training.trainer.max_epochs", 7), ("training.optimizer.lr", 0.0005), ("training.seed", 99)]
)
def test_a_dotted_override_changes_that_key_and_no_other(resolver: Resolver, key: str, value: float) -> None:
    assert _differences(resolver.json(), resolver.json(f"{key}={value}")) == {key: value}


@requirement("CAT-CFG-005")
def test_overrides_apply_in_their_order(resolver: Resolver) -> None:
    key = "training.trainer.max_epochs"
    assert _differences(resolver.json(), resolver.json(f"{key}=7", f"{key}=8")) == {key: 8}


@requirement("CAT-CFG-005")
def test_a_node_is_named_by_its_name_or_by_its_index(resolver: Resolver) -> None:
    before = resolver.json()
    found = next(_numeric_parameters(before["pipeline"]["nodes"]), None)
    if found is None:
        pytest.skip("no node of the train run has a numeric parameter")
    index, name, parameter, value = found
    by_index = resolver.json(f"pipeline.nodes.{index}.params.{parameter}={value}")
    by_name = resolver.json(f"pipeline.nodes.{name}.params.{parameter}={value}")
    assert by_index == by_name
    assert _differences(before, by_name) == {f"pipeline.nodes.{index}.params.{parameter}": value}


def _numeric_parameters(nodes: list[dict[str, Any]]) -> Iterator[tuple[int, str, str, float]]:
    """Index and name of a node, one of its parameters, and another value that is close to the present one."""
    for index, node in enumerate(nodes):
        for parameter, value in node["params"].items():
            if isinstance(value, int) and not isinstance(value, bool) and value > 1:
                yield index, node["name"], parameter, value - 1
            elif isinstance(value, float):
                yield index, node["name"], parameter, value / 2


@requirement("CAT-CFG-007")
@pytest.mark.parametrize(
    "override",
    [
        "_target_=os.system",
        "pipeline.nodes.0.params._target_=os.system",
        "+training.optimizer={_target_:os.system}",
        "+x=[{_target_:os.system}]",
        "pipeline.nodes.0.params._partial_=true",
    ],
)
def test_a_key_that_names_code_to_run_is_refused(resolver: Resolver, override: str) -> None:
    assert resolver.refused(override, reason="CONFIG_TARGET_FORBIDDEN").violations, "no key is named"


@requirement("CAT-CFG-008")
@pytest.mark.parametrize(
    "override",
    [*(f"training.seed={value}" for value in _HOME), "hydra.run.dir=x", "+hydra.verbose=true"],
)
def test_a_resolver_or_a_key_of_hydra_is_refused(resolver: Resolver, override: str) -> None:
    answer = resolver.refused(override, reason="CONFIG_RESOLVER_FORBIDDEN")
    assert b"/root" not in answer.status
    assert b"/home/" not in answer.status


@requirement("CAT-CFG-012")
@pytest.mark.parametrize("override", ["nonsense", "=x", "training.seed=[1,2"])
def test_a_malformed_override_is_refused_and_named(resolver: Resolver, override: str) -> None:
    answer = resolver.refused("training.seed=1", override, reason="OVERRIDE_SYNTAX")
    assert any(override in each for each in answer.violations), f"{answer} does not name {override!r}"


@requirement("CAT-CFG-014")
@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("training.seed=word", "training.seed"),
        ("training.optimizer.lr=-1", "training.optimizer.lr"),
        ("pipeline.nodes.9999.params.x=1", "pipeline.nodes.9999"),
        ("pipeline.nodes.no_such_node.params.x=1", "pipeline.nodes.no_such_node"),
    ],
)
def test_a_result_that_breaks_its_schema_is_refused_and_names_the_key(
    resolver: Resolver, override: str, key: str
) -> None:
    answer = resolver.refused(override, reason="CONFIG_INVALID")
    assert key in answer.violations, f"{answer} does not name {key}"


@requirement("CAT-CFG-014")
def test_each_error_of_a_result_is_named(resolver: Resolver) -> None:
    answer = resolver.refused("training.seed=word", "training.optimizer.lr=-1", reason="CONFIG_INVALID")
    assert {"training.seed", "training.optimizer.lr"} <= set(answer.violations)
