import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from catenary_server.configuration.composition import compose_config
from catenary_server.configuration.request import CompositionRequest
from catenary_server.domain.failure import Failure, Reason


def compose(
    configs: Path, config_type: str, path: str, overrides: Sequence[str] = (), search_paths: Sequence[Path] = ()
) -> dict[str, Any]:
    content, _ = compose_config(
        CompositionRequest(
            config_type=config_type,
            path=path,
            overrides=tuple(overrides),
            search_paths=tuple(search_paths) or (configs,),
            roots=(configs,),
        )
    )
    data = json.loads(content)
    assert isinstance(data, dict)
    return data


def refusal(configs: Path, config_type: str, path: str, overrides: Sequence[str] = ()) -> Failure:
    with pytest.raises(Failure) as caught:
        compose(configs, config_type, path, overrides)
    return caught.value


def pipeline_file(configs: Path, text: str) -> str:
    (configs / "pipeline" / "tried.yaml").write_text(text, encoding="utf-8")
    return "tried"


def test_defaults_bring_the_groups_together(configs: Path) -> None:
    run = compose(configs, "trainrun", "trainrun/rx")
    assert run["name"] == "rx"
    assert run["pipeline"]["metadata"]["name"] == "RX"
    assert run["data"] == {"source": "synthetic", "synthetic": {"seed": 7}}
    assert run["training"]["optimizer"] == {"name": "adam", "lr": 0.001}


def test_groups_with_a_package_of_their_own_name_mean_the_same(configs: Path) -> None:
    run = compose(configs, "trainrun", "deep")
    assert run["pipeline"]["metadata"]["name"] == "Selector"
    assert run["training"]["trainer"]["max_epochs"] == 3
    assert run["output_dir"] == "outputs/deep"


def test_relative_defaults_are_looked_up_beside_the_file(configs: Path) -> None:
    assert compose(configs, "trainrun", "plain") == {"name": "plain", "output_dir": "outputs/base"}


@pytest.mark.parametrize(
    "path",
    [
        "trainrun/rx",
        "rx",
        "trainrun/rx.yaml",
        "rx.yaml",
        "{configs}/trainrun/rx.yaml",
        "{configs}/trainrun/rx",
        "trainrun/{configs}/trainrun/rx.yaml",
    ],
)
def test_a_file_has_many_names(configs: Path, path: str) -> None:
    assert compose(configs, "trainrun", path.format(configs=configs))["name"] == "rx"


GROUPS = ["", "trainrun", "pipeline", "data", "training"]


@pytest.mark.parametrize("first", range(len(GROUPS)))
def test_group_folders_may_be_registered_in_any_order(configs: Path, first: int) -> None:
    order = [configs / group for group in GROUPS[first:] + GROUPS[:first]]
    run = compose(configs, "trainrun", "trainrun/rx", ["training=fast"], order)
    assert run["pipeline"]["metadata"]["name"] == "RX"
    assert run["training"]["trainer"]["max_epochs"] == 2
    assert compose(configs, "pipeline", "rx", (), order)["metadata"]["name"] == "RX"


def test_group_folders_alone_are_enough(configs: Path) -> None:
    order = [configs / group for group in GROUPS[1:]]
    assert compose(configs, "trainrun", "trainrun/rx", (), order)["pipeline"]["metadata"]["name"] == "RX"


def test_the_first_search_path_that_holds_a_file_wins(configs: Path, artifacts: Path) -> None:
    (artifacts / "training").mkdir()
    (artifacts / "training" / "default.yaml").write_text("trainer: {max_epochs: 77}\n")
    first = compose(configs, "trainrun", "rx", (), [artifacts, configs])
    last = compose(configs, "trainrun", "rx", (), [configs, artifacts])
    assert first["training"] == {"trainer": {"max_epochs": 77}}
    assert last["training"]["trainer"]["max_epochs"] == 20


@pytest.mark.parametrize(
    "path", ["outputs/my model.v1.yaml", "pipeline/outputs/my model.v1.yaml", "outputs/my model.v1"]
)
def test_a_file_in_the_area_resolves_by_its_name_with_overrides(configs: Path, artifacts: Path, path: str) -> None:
    (artifacts / "outputs").mkdir()
    (artifacts / "outputs" / "my model.v1.yaml").write_text("nodes: [{name: a, class_name: B}]\n")
    saved = compose(configs, "pipeline", path, ["nodes.a.params.k=2"], [configs, artifacts])
    assert saved["nodes"] == [{"name": "a", "class_name": "B", "params": {"k": 2}}]


def test_the_files_that_took_part_are_named_below_their_roots(configs: Path) -> None:
    request = CompositionRequest(
        config_type="trainrun",
        path="rx",
        overrides=("training=fast",),
        search_paths=(configs / "trainrun", configs),
        roots=(configs,),
    )
    _, files = compose_config(request)
    names = ["data/synthetic.yaml", "pipeline/rx.yaml", "training/fast.yaml", "trainrun/rx.yaml"]
    assert sorted(file.name for file in files) == names
    assert {file.name: file.search_path for file in files} == dict.fromkeys(names, str(configs)) | {
        "trainrun/rx.yaml": str(configs / "trainrun")
    }


def test_older_names_are_brought_up_to_date(configs: Path) -> None:
    pipeline = compose(configs, "pipeline", "rx")
    assert pipeline["nodes"][1] == {"name": "rx", "class_name": "RXGlobal", "params": {"eps": 1e-6}}
    assert "version" not in pipeline


@pytest.mark.parametrize(
    ("override", "keys", "value"),
    [
        ("training.trainer.max_epochs=50", ("training", "trainer", "max_epochs"), 50),
        ("training.optimizer.lr=0.0005", ("training", "optimizer", "lr"), 0.0005),
        ("training.optimizer.weight_decay=0.01", ("training", "optimizer", "weight_decay"), 0.01),
        ("data.num_workers=4", ("data", "num_workers"), 4),
        ("data.path='scenes/a b.npz'", ("data", "path"), "scenes/a b.npz"),
        ("training.scheduler.name=cosine", ("training", "scheduler", "name"), "cosine"),
        ("+tags.kind=test", ("tags", "kind"), "test"),
        ("++name=other", ("name",), "other"),
        ("loss_nodes=[a,b]", ("loss_nodes",), ["a", "b"]),
        ("metric_nodes.0=b", ("metric_nodes",), ["b"]),
        ("data.path=null", ("data", "path"), None),
        ("output_dir=outputs/${name}", ("output_dir",), "outputs/rx"),
        ("data=file", ("data",), {"source": "file"}),
        ("~data", ("data",), None),
    ],
)
def test_an_override_changes_its_key_and_no_other(
    configs: Path, override: str, keys: tuple[str, ...], value: object
) -> None:
    before, after = compose(configs, "trainrun", "rx"), compose(configs, "trainrun", "rx", [override])
    holder, changed = before, after
    for key in keys[:-1]:
        holder, changed = holder.setdefault(key, {}), changed.get(key, {})
    assert changed.get(keys[-1]) == value
    holder[keys[-1]] = changed[keys[-1]] = value
    assert before == after


@pytest.mark.parametrize("node", ["channel_selector", "1"])
@pytest.mark.parametrize("params", ["params", "hparams"])
def test_a_node_is_addressed_by_its_name_or_its_index(configs: Path, node: str, params: str) -> None:
    run = compose(configs, "trainrun", "deep", [f"pipeline.nodes.{node}.{params}.tau_start=8.0"])
    pipeline = compose(configs, "pipeline", "selector", [f"nodes.{node}.{params}.tau_start=8.0"])
    expected = {"n_select": 3, "tau_start": 8.0, "tau_end": 0.1}
    assert run["pipeline"]["nodes"][1]["params"] == pipeline["nodes"][1]["params"] == expected


def test_a_node_can_be_taken_out(configs: Path) -> None:
    assert [node["name"] for node in compose(configs, "pipeline", "rx", ["~nodes.normalizer"])["nodes"]] == ["rx"]


@pytest.mark.parametrize(
    ("override", "subject", "words"),
    [
        ("nodes.foo.params.x=1", "nodes.foo", "known: normalizer, rx"),
        ("nodes.9.params.x=1", "nodes.9", "there are 2 entries"),
        ("+metadata.name=x", "metadata.name", "there already"),
        ("~metadata.author", "metadata.author", "known: description, name"),
        ("~metadata.name=y", "metadata.name", "is 'RX', not 'y'"),
        ("metadata.name.x=1", "metadata.name", "holds no keys"),
        ("metadata.name='${nowhere}'", "metadata.name", "not found"),
        ("metadata.name=???", "metadata.name", "mandatory"),
        ("nodes.0.params.x=nan", "nodes.0.params.x", "finite"),
    ],
)
def test_an_override_that_fits_nowhere_says_where_and_what_is_known(
    configs: Path, override: str, subject: str, words: str
) -> None:
    failure = refusal(configs, "pipeline", "rx", [override])
    assert failure.reason is Reason.CONFIG_INVALID
    (violation,) = failure.violations
    assert violation.subject == subject
    assert words in violation.description


@pytest.mark.parametrize("override", ["x", "=1", "a b=1", "a=[1", "a..b=1", "@x=1", "a=b=c:d}", ""])
def test_an_override_of_bad_syntax_is_named(configs: Path, override: str) -> None:
    failure = refusal(configs, "pipeline", "rx", ["nodes.0.params.k=1", override])
    assert failure.reason is Reason.OVERRIDE_SYNTAX
    assert failure.violations[0].subject == override


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("nodes.0._target_=os.system", Reason.CONFIG_TARGET_FORBIDDEN),
        ("+nodes.0.params.a={_target_: os.system}", Reason.CONFIG_TARGET_FORBIDDEN),
        ("nodes=[{params: [{_args_: [1]}]}]", Reason.CONFIG_TARGET_FORBIDDEN),
        ("metadata.name=${oc.env:HOME}", Reason.CONFIG_RESOLVER_FORBIDDEN),
        ("metadata.name='${oc.decode:${oc.env:HOME}}'", Reason.CONFIG_RESOLVER_FORBIDDEN),
        ("metadata.name='${hydra.runtime.cwd}'", Reason.CONFIG_RESOLVER_FORBIDDEN),
        ("metadata.name='${${metadata.author}}'", Reason.CONFIG_RESOLVER_FORBIDDEN),
        ("hydra.run.dir=/tmp/x", Reason.CONFIG_RESOLVER_FORBIDDEN),
        ("hydra.searchpath=[file:///etc]", Reason.CONFIG_RESOLVER_FORBIDDEN),
        ("+hydra/launcher=joblib", Reason.CONFIG_RESOLVER_FORBIDDEN),
        ("metadata.name=a,b", Reason.CONFIG_RESOLVER_FORBIDDEN),
        ("metadata.name=range(1,9)", Reason.CONFIG_RESOLVER_FORBIDDEN),
        ("metadata.name=glob(*)", Reason.CONFIG_RESOLVER_FORBIDDEN),
        ("pipeline=../../secret", Reason.PATH_INVALID),
        ("data='file:///etc/passwd'", Reason.PATH_INVALID),
        ("data=pkg://os", Reason.PATH_INVALID),
        ("metadata.name=" + "x" * 5000, Reason.CONFIG_TOO_COMPLEX),
        ("metadata.name=a\0b", Reason.PATH_INVALID),
    ],
)
def test_an_override_cannot_reach_beyond_the_configuration(
    configs: Path, monkeypatch: pytest.MonkeyPatch, override: str, reason: Reason
) -> None:
    monkeypatch.setenv("HOME", "/canary-home")
    failure = refusal(configs, "pipeline", "rx", [override])
    assert failure.reason is reason
    assert "canary-home" not in f"{failure.message}{failure.violations}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nodes: [{_target_: os.system}]", Reason.CONFIG_TARGET_FORBIDDEN),
        ("metadata: {name: '${oc.env:HOME}'}", Reason.CONFIG_RESOLVER_FORBIDDEN),
        ("hydra: {run: {dir: /tmp}}", Reason.CONFIG_RESOLVER_FORBIDDEN),
        ("# @package hydra.run\ndefaults: [/hydra/launcher: basic]", Reason.CONFIG_RESOLVER_FORBIDDEN),
        ("defaults: [override /hydra/job_logging: none]", Reason.CONFIG_RESOLVER_FORBIDDEN),
        ("defaults: [../../secret]", Reason.PATH_INVALID),
        ("defaults: [/../../secret@x]", Reason.PATH_INVALID),
        ("defaults: [nowhere]", Reason.CONFIG_NOT_FOUND),
        ("defaults: 5", Reason.CONFIG_INVALID),
        ("a: ${b}\nb: ${a}", Reason.CONFIG_INVALID),
        ("a: &x 1\nb: *x", Reason.CONFIG_TOO_COMPLEX),
        ("a: !!python/object/apply:os.getcwd []", Reason.CONFIG_TOO_COMPLEX),
        ("a: 1\na: 2", Reason.CONFIG_TOO_COMPLEX),
        ("a: " + "[" * 100, Reason.CONFIG_TOO_COMPLEX),
        ("a: [" + "1," * 10_001 + "]", Reason.CONFIG_TOO_COMPLEX),
        ("a: " + "x" * (1 << 20), Reason.CONFIG_TOO_COMPLEX),
        ("a: [", Reason.CONFIG_INVALID),
        ("- 1", Reason.CONFIG_INVALID),
        ("1: 2", Reason.CONFIG_INVALID),
        ("a: .nan", Reason.CONFIG_INVALID),
    ],
)
def test_a_file_cannot_reach_beyond_the_configuration(configs: Path, text: str, reason: Reason) -> None:
    (configs.parent / "secret.yaml").write_text("name: secret\n")
    failure = refusal(configs, "pipeline", pipeline_file(configs, text))
    assert failure.reason is reason
    assert str(configs) not in failure.message


def test_a_link_is_followed_inside_the_roots_only(configs: Path) -> None:
    (configs.parent / "secret.yaml").write_text("metadata: {name: secret}\n")
    (configs / "pipeline" / "inside.yaml").symlink_to(configs / "pipeline" / "rx.yaml")
    (configs / "pipeline" / "leaving.yaml").symlink_to(configs.parent / "secret.yaml")
    assert compose(configs, "pipeline", "inside")["metadata"]["name"] == "RX"
    failure = refusal(configs, "pipeline", "leaving")
    assert failure.reason is Reason.PATH_NOT_ALLOWED
    assert failure.violations[0].subject == "pipeline/leaving.yaml"


@pytest.mark.parametrize(
    ("path", "overrides", "name"),
    [("nope", [], "trainrun/nope"), ("trainrun/nope", [], "trainrun/nope"), ("rx", ["data=nope"], "data/nope")],
)
def test_what_is_missing_is_named_with_what_there_is(configs: Path, path: str, overrides: list[str], name: str) -> None:
    failure = refusal(configs, "trainrun", path, overrides)
    assert failure.reason is Reason.CONFIG_NOT_FOUND
    assert failure.resource is not None
    assert failure.resource.name == name
    assert ("synthetic" if overrides else "plain") in failure.message


def test_a_choice_for_a_group_that_the_file_does_not_use_is_refused(configs: Path) -> None:
    failure = refusal(configs, "trainrun", "plain", ["data=file"])
    assert failure.reason is Reason.CONFIG_INVALID
    assert "data" in failure.violations[0].description


def test_the_same_request_gives_the_same_answer_again_and_after_a_failure(configs: Path) -> None:
    first = compose(configs, "trainrun", "rx", ["training=fast"])
    refusal(configs, "trainrun", "rx", ["data=nope"])
    assert compose(configs, "trainrun", "rx", ["training=fast"]) == first
