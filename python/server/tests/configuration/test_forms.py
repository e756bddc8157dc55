import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenary_server.configuration.documents import read_document
from catenary_server.configuration.forms import canonical_json, readable_yaml
from catenary_server.configuration.schemas import Config, build
from catenary_server.domain.pipeline import Connection, NodeConfig, PipelineConfig, PipelineMetadata
from catenary_server.domain.training import (
    CallbacksConfig,
    DataConfig,
    EarlyStoppingConfig,
    OptimizerConfig,
    SchedulerConfig,
    TrainingConfig,
    TrainRunConfig,
)

TEXT = st.text(st.characters(codec="utf-8"), max_size=12).filter(lambda text: "${" not in text)
NAME = TEXT.filter(bool)
KEY = NAME.filter(str.isalnum)
NUMBER = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63)
VALUE = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=3),
    max_leaves=6,
)
PIPELINES = st.builds(
    PipelineConfig,
    metadata=st.builds(PipelineMetadata, name=TEXT, tags=st.lists(TEXT, max_size=2).map(tuple)),
    nodes=st.lists(
        st.builds(
            NodeConfig,
            name=NAME,
            class_name=NAME,
            params=st.dictionaries(KEY, VALUE, max_size=3),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
    connections=st.lists(st.builds(Connection, source=NAME, target=NAME), max_size=2).map(tuple),
)
RUN = TrainRunConfig(
    name="run",
    pipeline=PipelineConfig(nodes=(NodeConfig(name="a", class_name="B", params={"x": [1, {"y": None}]}),)),
    data=DataConfig(source="synthetic", tile_size=None, shuffle=False),
    training=TrainingConfig(
        optimizer=OptimizerConfig(name="sgd", lr=1e-5, betas=(0.5, 0.75)),
        scheduler=SchedulerConfig(name="cosine", t_max=3),
        callbacks=CallbacksConfig(early_stopping=EarlyStoppingConfig(monitor="val_iou", mode="max")),
    ),
    loss_nodes=("a",),
    tags={"kind": "test"},
)


def read(config_type: str, content: bytes) -> Config:
    return build(config_type, read_document(content, interpolation=False))


@given(pipeline=PIPELINES)
def test_a_pipeline_reads_back_from_both_forms(pipeline: PipelineConfig) -> None:
    assert read("pipeline", canonical_json(pipeline)) == pipeline
    assert read("pipeline", readable_yaml(pipeline)) == pipeline


@pytest.mark.parametrize("run", [RUN, TrainRunConfig(name="least")])
def test_a_trainrun_reads_back_from_both_forms(run: TrainRunConfig) -> None:
    assert read("trainrun", canonical_json(run)) == run
    assert read("trainrun", readable_yaml(run)) == run


def test_canonical_json_has_every_key_sorted_and_ends_with_its_brace() -> None:
    content = canonical_json(TrainRunConfig(name="größe"))
    data = json.loads(content)
    assert content.endswith(b"}")
    assert "größe".encode() in content
    assert content == json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    assert data["training"]["trainer"]["max_epochs"] == 20
    assert data["pipeline"] is None


def test_yaml_is_ordered_as_the_dataclass_and_leaves_out_what_is_empty() -> None:
    assert readable_yaml(RUN).decode().splitlines()[:12] == [
        "name: run",
        "pipeline:",
        "  nodes:",
        "  - name: a",
        "    class_name: B",
        "    params:",
        "      x:",
        "      - 1",
        "      - y: null",
        "data:",
        "  source: synthetic",
        "  synthetic:",
    ]
    assert b"tile_size: null" in readable_yaml(RUN)
    assert b"validation_path" not in readable_yaml(RUN)
