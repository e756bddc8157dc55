import json
from pathlib import Path

import pytest

from catenary_server.configuration.source import HydraConfigSource
from catenary_server.domain.config_source import SourceFile
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.pipeline import NodeConfig, PipelineConfig
from catenary_server.domain.training import TrainRunConfig

SHIPPED = Path(__file__).resolve().parents[4] / "configs"


async def test_a_resolved_trainrun_is_canonical_and_can_be_sent_back(source: HydraConfigSource, configs: Path) -> None:
    resolved = await source.resolve("trainrun", "trainrun/rx", ["training.optimizer.lr=0.0005"], [configs])
    data = json.loads(resolved.content)
    assert (data["name"], data["pipeline"]["metadata"]["name"]) == ("rx", "RX")
    run = source.read_trainrun(resolved.content)
    assert run.training.optimizer.lr == 0.0005
    assert source.canonical(run) == resolved.content
    assert SourceFile("trainrun/rx.yaml", str(configs)) in resolved.files


async def test_a_written_pipeline_resolves_from_the_area_and_reads_back(
    source: HydraConfigSource, configs: Path, artifacts: Path
) -> None:
    config = PipelineConfig(nodes=(NodeConfig(name="a", class_name="B", params={"tau": 1e-5}),))
    (artifacts / "outputs").mkdir()
    (artifacts / "outputs" / "trained.yaml").write_bytes(source.write(config))
    search_paths = [configs, artifacts]
    resolved = await source.resolve("pipeline", "outputs/trained.yaml", ["nodes.a.params.tau=2"], search_paths)
    assert source.read_pipeline(resolved.content).nodes[0].params == {"tau": 2}
    assert resolved.files == (SourceFile("outputs/trained.yaml", ""),)
    assert source.read_pipeline(source.write(config)) == config


async def test_a_result_that_breaks_its_schema_is_refused_with_the_key_path(
    source: HydraConfigSource, configs: Path
) -> None:
    with pytest.raises(Failure) as caught:
        await source.resolve("trainrun", "rx", ["training.optimizer.lr=-1", "metric_nodes=[nobody]"], [configs])
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert caught.value.violations[0].subject == "training.optimizer.lr"
    with pytest.raises(Failure) as unknown:
        await source.resolve("trainrun", "rx", ["metric_nodes=[nobody]"], [configs])
    assert unknown.value.violations[0].subject == "metric_nodes.0"
    assert "nodes: normalizer, rx" in unknown.value.violations[0].description


@pytest.mark.parametrize(
    ("config_type", "path", "reason"),
    [
        ("plugin", "x", Reason.CONFIG_NOT_FOUND),
        ("trainrun", "../x", Reason.PATH_INVALID),
        ("trainrun", "/etc/passwd", Reason.PATH_INVALID),
        ("trainrun", "trainrun//etc/passwd", Reason.PATH_INVALID),
        ("trainrun", "file:///etc/passwd", Reason.PATH_INVALID),
        ("trainrun", "nope", Reason.CONFIG_NOT_FOUND),
    ],
)
async def test_what_cannot_be_found_is_refused(
    source: HydraConfigSource, configs: Path, config_type: str, path: str, reason: Reason
) -> None:
    with pytest.raises(Failure) as caught:
        await source.resolve(config_type, path, [], [configs])
    assert caught.value.reason is reason


async def test_too_many_overrides_are_refused(source: HydraConfigSource, configs: Path) -> None:
    with pytest.raises(Failure) as caught:
        await source.resolve("trainrun", "rx", ["name=a"] * 257, [configs])
    assert caught.value.reason is Reason.CONFIG_TOO_COMPLEX


def test_search_paths_are_folders_inside_the_roots(source: HydraConfigSource, configs: Path, tmp_path: Path) -> None:
    (configs / "away").symlink_to(tmp_path)
    (configs / "near").symlink_to(configs / "pipeline")
    asked = [
        str(configs / "trainrun"),
        "/home/me/configs",
        "configs",
        str(configs),
        str(configs / "trainrun"),
        f"{configs}/../artifacts",
        str(configs / "away"),
        str(configs / "near"),
        str(configs / "missing"),
        str(configs / "trainrun" / "rx.yaml"),
        "",
    ]
    accepted, rejected = source.split_search_paths(asked)
    assert accepted == (configs / "trainrun", configs, configs / "pipeline")
    assert set(rejected) == {asked[index] for index in (1, 2, 5, 6, 8, 9, 10)}
    assert source.default_search_paths() == (configs,)


async def test_the_list_names_what_resolves(source: HydraConfigSource, configs: Path) -> None:
    listed = await source.list("", [configs, configs / "trainrun"])
    assert [(file.config_type, file.name) for file in listed][:3] == [
        ("callbacks", "callbacks/early"),
        ("data", "data/file"),
        ("data", "data/synthetic"),
    ]
    by_name = {file.name: file.description for file in listed}
    assert by_name["trainrun/rx"] == "Global RX on a generated scene"
    assert by_name["pipeline/rx"] == "Global RX detector"
    assert len(by_name) == len(listed) == 13
    assert {file.search_path for file in listed} == {str(configs)}
    trainruns = await source.list("trainrun", [configs / "trainrun"])
    assert [file.name for file in trainruns] == ["trainrun/base", "trainrun/deep", "trainrun/plain", "trainrun/rx"]


async def test_the_list_leaves_out_what_cannot_be_read(
    source: HydraConfigSource, configs: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret.yaml").write_text("name: secret\n")
    (configs / "data" / "leaving.yaml").symlink_to(tmp_path / "secret.yaml")
    (configs / "data" / "broken.yaml").write_text("a: [")
    (configs / "data" / "#odd.yaml").write_text("source: synthetic\n")
    (configs / "data" / "..hidden").mkdir()
    (configs / "data" / "..hidden" / "x.yaml").write_text("source: synthetic\n")
    (configs / "data" / "deep").mkdir()
    (configs / "data" / "deep" / "x.yaml").write_text("source: synthetic\n")
    names = [file.name for file in await source.list("data", [configs])]
    assert names == ["data/deep/x", "data/file", "data/synthetic"]
    assert (await source.resolve("data", names[0], [], [configs])).files == (
        SourceFile("data/deep/x.yaml", str(configs)),
    )


def test_a_report_has_errors_or_warnings(source: HydraConfigSource) -> None:
    good = source.validate("training", b'{"scheduler": {"name": "reduce_on_plateau"}, "optimizer": {"momentum": 0.5}}')
    assert good.errors == ()
    assert {warning.subject for warning in good.warnings} == {"scheduler.monitor", "optimizer.momentum"}
    assert [error.subject for error in source.validate("training", b'{"seed": "x"}').errors] == ["seed"]
    assert "Invalid JSON" in source.validate("data", b"{").errors[0].description
    assert source.validate("plugin", b"{}").errors[0].subject == "config_type"
    for nothing in (b"", b"null", b"# a comment"):
        assert source.validate("training", nothing).errors[0].subject == "content"


def test_doubts_about_a_trainrun_are_told(source: HydraConfigSource) -> None:
    run = {
        "name": "a",
        "loss_nodes": ["svdd"],
        "data": {"source": "file"},
        "training": {"callbacks": {"early_stopping": {"monitor": "sdvv_loss"}}},
    }
    report = source.validate("trainrun", json.dumps(run).encode())
    assert {warning.subject for warning in report.warnings} == {
        "training.callbacks.early_stopping.monitor",
        "data.path",
    }
    run["training"] = {"callbacks": {"early_stopping": {"monitor": "val_svdd_loss"}}}
    run["data"] = {"source": "synthetic"}
    assert source.validate("trainrun", json.dumps(run).encode()).warnings == ()


def test_older_files_are_read(source: HydraConfigSource) -> None:
    content = b"version: 1\nnodes:\n- {name: a, class_name: cuvis_ai.node.x.RXGlobal, hparams: {eps: 1e-6}}\n"
    node = source.read_pipeline(content).nodes[0]
    assert (node.type_name, node.params) == ("RXGlobal", {"eps": 1e-6})
    with pytest.raises(Failure) as both:
        source.read_pipeline(b"nodes:\n- {name: a, class_name: B, hparams: {}, params: {}}\n")
    assert both.value.violations[0].subject == "nodes.0.hparams"


def test_a_file_that_has_to_be_composed_is_not_read(source: HydraConfigSource) -> None:
    with pytest.raises(Failure) as caught:
        source.read_trainrun(b"defaults: [/pipeline: rx]\nname: a\n")
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert caught.value.violations[0].subject == "defaults"


def test_parts_of_a_run_are_read(source: HydraConfigSource) -> None:
    assert source.read_data(b'{"source": "synthetic"}').batch_size == 8
    assert source.read_training(b"{}").seed == 42
    assert source.read_trainrun(source.write(TrainRunConfig(name="a"))) == TrainRunConfig(name="a")


@pytest.mark.skipif(not SHIPPED.is_dir(), reason="the configs of the repository are not beside this package")
async def test_every_shipped_config_resolves_as_it_is_listed() -> None:
    source = HydraConfigSource([SHIPPED])
    listed = await source.list("", source.default_search_paths())
    trainruns = {file.name.removeprefix("trainrun/") for file in listed if file.config_type == "trainrun"}
    assert {"rx", "rx_local", "lad", "deep_svdd", "channel_selector"} <= trainruns
    for file in listed:
        resolved = await source.resolve(file.config_type, file.name, [], source.default_search_paths())
        assert resolved.content.endswith(b"}")
