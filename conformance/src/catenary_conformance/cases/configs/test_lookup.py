"""Where ResolveConfig looks for a file, and what it says it found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from catenary.v1.pipeline_pb2 import PipelineMetadata
from catenary.v1.pipeline_requests_pb2 import SavePipelineRequest
from catenary_conformance import rpcs
from catenary_conformance.requirement import capability, requirement
from catenary_conformance.workload import FOLDER, canonical

if TYPE_CHECKING:
    from catenary.v1.config_pb2 import ConfigFile
    from catenary_conformance.cases.configs.conftest import Resolver
    from catenary_conformance.target import Target
    from catenary_conformance.workload import Workload


@requirement("CAT-CFG-003")
@capability("pipelines", "training")
def test_a_search_path_wins_over_the_artifact_root(
    target: Target, workload: Workload, resolver: Resolver, listed: list[ConfigFile]
) -> None:
    hidden = next((each for each in listed if each.config_type == "pipeline"), None)
    if hidden is None:
        pytest.skip("the target lists no pipeline, so nothing in the artifact area can have the name of one")
    session_id = workload.open_session()
    workload.configure(session_id)
    mark = target.unique("hidden")
    saved = SavePipelineRequest(
        session_id=session_id, pipeline_path=hidden.path, metadata=PipelineMetadata(description=mark)
    )
    rpcs.SAVE_PIPELINE.ok(target, saved)
    found = resolver.resolve(config_type="pipeline", path=hidden.path)
    assert mark not in found.config_bytes.decode(), "the file in the artifact root won over the one in a search path"
    assert found.source_files[0].search_path == hidden.search_path


@requirement("CAT-CFG-003")
@capability("pipelines", "training")
def test_what_no_search_path_has_is_found_in_the_artifact_root(
    target: Target, workload: Workload, resolver: Resolver
) -> None:
    session_id = workload.open_session()
    workload.configure(session_id)
    path, mark = f"{FOLDER}/found", target.unique("found")
    saved = SavePipelineRequest(session_id=session_id, pipeline_path=path, metadata=PipelineMetadata(description=mark))
    saved_path = rpcs.SAVE_PIPELINE.ok(target, saved).pipeline_path
    for name in (path, saved_path):
        assert resolver.json(config_type="pipeline", path=name)["metadata"]["description"] == mark


@requirement("CAT-CFG-004")
def test_the_same_request_answers_the_same_bytes_in_canonical_form(resolver: Resolver) -> None:
    overrides = ("training.trainer.max_epochs=3", "training.optimizer.lr=0.0005")
    first, again = resolver.resolve(*overrides), resolver.resolve(*overrides)
    assert first.config_bytes == again.config_bytes
    assert first.config_bytes == canonical(json.loads(first.config_bytes)), "not sorted, or with blanks"


@requirement("CAT-CFG-006")
def test_source_files_name_the_file_asked_for_first_and_only_files_that_are_listed(
    resolver: Resolver, listed: list[ConfigFile]
) -> None:
    sources = resolver.resolve().source_files
    assert sources, "no file took part"
    assert sources[0].config_type == "trainrun"
    assert resolver.trainrun.removesuffix(".yaml") in sources[0].path
    known = {(each.config_type, each.path.removesuffix(".yaml"), each.search_path) for each in listed}
    for each in sources:
        assert (each.config_type, each.path.removesuffix(".yaml"), each.search_path) in known, f"{each} is not listed"


@requirement("CAT-CFG-006")
def test_source_files_name_the_file_of_every_group_whose_content_is_in_the_result(
    resolver: Resolver, listed: list[ConfigFile]
) -> None:
    result = resolver.json()
    named = {(each.config_type, each.path.removesuffix(".yaml")) for each in resolver.resolve().source_files}
    for group in {"pipeline", "training"} & set(result):
        files = (each for each in listed if each.config_type == group)
        same = (each for each in files if resolver.json(config_type=group, path=each.path) == result[group])
        file = next(same, None)
        assert file is None or (group, file.path.removesuffix(".yaml")) in named, f"{file} is not named"


@requirement("CAT-CFG-010")
@pytest.mark.parametrize("path", ["../outside", "a/../../outside", "/etc/passwd", "/outside.yaml", "..", "a\x00b"])
def test_a_path_that_leaves_the_roots_is_refused(resolver: Resolver, path: str) -> None:
    answer = resolver.refused(reason="PATH_INVALID", path=path)
    assert b"root:" not in answer.status


@requirement("CAT-CFG-011")
def test_a_missing_file_is_not_found(target: Target, resolver: Resolver) -> None:
    resolver.refused(reason="CONFIG_NOT_FOUND", path=target.unique("missing"))


@requirement("CAT-CFG-013")
def test_suffix_and_group_make_no_difference_in_a_path(resolver: Resolver) -> None:
    bare = resolver.trainrun.removesuffix(".yaml").removeprefix("trainrun/")
    expected = resolver.resolve().config_bytes
    for path in (bare, f"{bare}.yaml", f"trainrun/{bare}.yaml"):
        assert resolver.resolve(path=path).config_bytes == expected, f"{path}"
