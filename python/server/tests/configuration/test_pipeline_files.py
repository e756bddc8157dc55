from pathlib import Path

import pytest

from catenary_server.configuration.pipeline_files import find_pipeline, list_pipelines
from catenary_server.domain.failure import Failure, Reason

MINE = """\
metadata: {name: Mine, tags: [a, b], author: me}
nodes: [{name: n, class_name: RXGlobal}]
"""


@pytest.fixture
def own(artifacts: Path) -> Path:
    (artifacts / "kept").mkdir()
    (artifacts / "kept" / "mine.yaml").write_text(MINE)
    (artifacts / "kept" / "mine.safetensors").write_bytes(b"")
    (artifacts / "rx.yaml").write_text(MINE)
    return artifacts


def refused(path: str, configs: Path, own: Path) -> Reason:
    with pytest.raises(Failure) as caught:
        find_pipeline(path, (configs,), own)
    return caught.value.reason


def test_pipelines_of_the_operator_and_of_the_client_are_listed_by_path(configs: Path, own: Path) -> None:
    files = list_pipelines((configs,), own)
    assert [(file.path, file.metadata.name, file.weights_path) for file in files] == [
        ("kept/mine.yaml", "Mine", "kept/mine.safetensors"),
        ("pipeline/rx.yaml", "RX", ""),
        ("pipeline/selector.yaml", "Selector", ""),
        ("rx.yaml", "Mine", ""),
    ]


def test_every_listed_path_finds_its_own_file(configs: Path, own: Path) -> None:
    listed = list_pipelines((configs,), own)
    assert [find_pipeline(file.path, (configs,), own) for file in listed] == list(listed)


def test_of_one_path_the_operators_pipeline_counts(configs: Path, own: Path) -> None:
    (own / "pipeline").mkdir()
    (own / "pipeline" / "rx.yaml").write_text(MINE)
    assert [file.metadata.name for file in list_pipelines((configs,), own)].count("RX") == 1
    assert find_pipeline("pipeline/rx", (configs,), own).metadata.name == "RX"


@pytest.mark.parametrize("text", ["name: no pipeline", "nodes: []", "nodes: [{name: x}", "defaults: [rx]", "\xff"])
def test_what_is_no_pipeline_is_not_listed_and_is_corrupt_when_named(configs: Path, own: Path, text: str) -> None:
    (own / "other.yaml").write_bytes(text.encode("latin-1"))
    assert "other.yaml" not in [file.path for file in list_pipelines((configs,), own)]
    assert refused("other", configs, own) is Reason.ARTIFACT_CORRUPT


def test_an_operators_pipeline_may_be_composed_of_others_and_refer_to_its_keys(configs: Path, own: Path) -> None:
    text = "defaults: [rx, _self_]\nmetadata: {name: Composed, description: 'of ${metadata.name}'}\n"
    (configs / "pipeline" / "composed.yaml").write_text(text)
    assert find_pipeline("composed", (configs,), own).metadata.name == "Composed"


@pytest.mark.parametrize(
    "path", ["selector", "pipeline/selector", "pipeline/selector.yaml", "{configs}/pipeline/selector"]
)
def test_suffix_and_group_may_be_left_out(configs: Path, own: Path, path: str) -> None:
    found = find_pipeline(path.format(configs=configs), (configs,), own)
    assert (found.path, found.resolved_path) == ("pipeline/selector.yaml", "pipeline/selector.yaml")
    assert found.content == (configs / "pipeline" / "selector.yaml").read_text()


def test_refusals_say_what_is_wrong_with_the_path(configs: Path, own: Path) -> None:
    (own / "link.yaml").symlink_to(own / "rx.yaml")
    assert refused("missing", configs, own) is Reason.CONFIG_NOT_FOUND
    assert refused("missing.yaml", configs, own) is Reason.CONFIG_NOT_FOUND
    assert refused("kept/mine.safetensors", configs, own) is Reason.PATH_INVALID
    assert refused("../secret", configs, own) is Reason.PATH_INVALID
    assert refused("/etc/passwd", configs, own) is Reason.PATH_INVALID
    assert refused("link", configs, own) is Reason.PATH_NOT_ALLOWED


def test_folders_of_the_server_itself_are_not_searched(configs: Path, own: Path) -> None:
    other = own / ".catenary-principals" / "someone"
    other.mkdir(parents=True)
    (other / "secret.yaml").write_text(MINE)
    assert not [file for file in list_pipelines((configs,), own) if "secret" in file.path]
    assert refused(".catenary-principals/someone/secret", configs, own) is Reason.PATH_INVALID
