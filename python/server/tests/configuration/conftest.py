from pathlib import Path
from textwrap import dedent

import pytest

from catenary_server.configuration.source import HydraConfigSource

FILES = {
    "trainrun/rx.yaml": """\
        # @package _global_
        # Global RX on a generated scene
        defaults:
          - /pipeline: rx
          - /data: synthetic
          - /training: default
          - _self_
        name: rx
        metric_nodes: [rx]
    """,
    "trainrun/deep.yaml": """\
        # @package _global_
        defaults:
          - /pipeline@pipeline: selector
          - /data@data: synthetic
          - /training@training: default
          - _self_
        name: deep
        loss_nodes: [channel_selector]
        output_dir: outputs/${name}
        training:
          trainer:
            max_epochs: 3
    """,
    "trainrun/plain.yaml": """\
        defaults:
          - base
          - _self_
        name: plain
    """,
    "trainrun/base.yaml": """\
        name: base
        output_dir: outputs/base
    """,
    "pipeline/rx.yaml": """\
        version: "1.0"
        metadata: {name: RX, description: Global RX detector}
        nodes:
          - {name: normalizer, class_name: cuvis_ai.node.normalization.MinMaxNormalizer}
          - {name: rx, class_name: RXGlobal, hparams: {eps: 1e-6}}
        connections:
          - {source: normalizer.outputs.normalized, target: rx.inputs.data}
    """,
    "pipeline/selector.yaml": """\
        metadata: {name: Selector}
        nodes:
          - {name: n0, class_name: MinMaxNormalizer}
          - name: channel_selector
            class_name: SoftChannelSelector
            params: {n_select: 3, tau_start: 10.0, tau_end: 0.1}
    """,
    "data/synthetic.yaml": "source: synthetic\nsynthetic: {seed: 7}\n",
    "data/file.yaml": "source: file\n",
    "training/default.yaml": "trainer: {max_epochs: 20}\noptimizer: {name: adam, lr: 0.001}\n",
    "training/fast.yaml": "trainer: {max_epochs: 2}\n",
    "optimizer/sgd.yaml": "name: sgd\nlr: 0.1\n",
    "scheduler/step.yaml": "name: step\n",
    "callbacks/early.yaml": "early_stopping: {monitor: val_iou, mode: max}\n",
}


def write_files(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(dedent(text), encoding="utf-8")


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    root = tmp_path / "configs"
    write_files(root, FILES)
    return root


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    root = tmp_path / "artifacts"
    root.mkdir()
    return root


@pytest.fixture
def source(configs: Path) -> HydraConfigSource:
    return HydraConfigSource([configs])
