"""Files as CUVIS.AI systems write them, made up by hand; the node types come from this server."""

from textwrap import dedent

import pytest

from catenary_server.configuration.cuvis_files import NODES
from catenary_server.configuration.source import HydraConfigSource
from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.graph import check_graph
from catenary_server.domain.node import NodeSpec
from catenary_server.domain.pipeline import PipelineConfig

SVDD = """\
    name: ''
    version: '1'
    metadata: {name: Seeds, author: cuvis.ai, cuvis_ai_version: 0.5.3, created: ''}
    plugins: [cuvis_ai_builtin]
    nodes:
    - {name: data, class_name: cuvis_ai.node.data.LentilsAnomalyDataNode, hparams: {normal_class_ids: [0, 1]}}
    - name: band
      class_name: cuvis_ai.node.preprocessors.BandpassByWavelength
      hparams: {min_wavelength_nm: 620.0, max_wavelength_nm: null}
    - {name: unit, class_name: cuvis_ai.node.normalization.PerPixelUnitNorm, hparams: {eps: 1.0e-08}}
    - name: zscore
      class_name: cuvis_ai.node.anomaly.deep_svdd.ZScoreNormalizerGlobal
      hparams: {num_channels: 27, eps: 1.0e-08, hidden: 64}
    - name: projection
      class_name: cuvis_ai.anomaly.deep_svdd.DeepSVDDProjection
      hparams: {in_channels: 27, rep_dim: 16, hidden: 64, kernel: linear, n_rff: 512, gamma: null}
    - name: center
      class_name: cuvis_ai.anomaly.deep_svdd.DeepSVDDCenterTracker
      hparams: {rep_dim: 16, alpha: 0.2, update_in_eval: false}
    - {name: loss, class_name: cuvis_ai.node.losses.DeepSVDDSoftBoundaryLoss, hparams: {nu: 0.1, weight: 1.0}}
    - name: scores
      class_name: cuvis_ai.anomaly.deep_svdd.DeepSVDDScores
      hparams: {name: null, execution_stages: null}
    - name: decider
      class_name: cuvis_ai.deciders.binary_decider.QuantileBinaryDecider
      hparams: {quantile: 0.98, reduce_dims: null}
    - {name: metrics, class_name: cuvis_ai.node.metrics.AnomalyDetectionMetrics, hparams: {execution_stages: null}}
    - name: heat
      class_name: cuvis_ai.node.anomaly_visualization.ScoreHeatmapVisualizer
      hparams: {normalize_scores: true, cmap: inferno, up_to: 3}
    - {name: overlay, class_name: cuvis_ai.node.anomaly_visualization.AnomalyMask, hparams: {channel: 30, up_to: 2}}
    - name: board
      class_name: cuvis_ai.node.monitor.TensorBoardMonitorNode
      hparams: {output_dir: 'outputs\\seeds\\..\\board', run_name: Seeds, comment: '', flush_secs: 60}
    connections:
    - {source: data.outputs.cube, target: band.inputs.data}
    - {source: data.outputs.wavelengths, target: band.inputs.wavelengths}
    - {source: band.outputs.filtered, target: unit.inputs.data}
    - {source: unit.outputs.normalized, target: zscore.inputs.data}
    - {source: zscore.outputs.normalized, target: projection.inputs.data}
    - {source: projection.outputs.embeddings, target: center.inputs.embeddings}
    - {source: projection.outputs.embeddings, target: loss.inputs.embeddings}
    - {source: projection.outputs.embeddings, target: scores.inputs.embeddings}
    - {source: center.outputs.center, target: loss.inputs.center}
    - {source: center.outputs.center, target: scores.inputs.center}
    - {source: center.outputs.metrics, target: board.inputs.metrics}
    - {source: scores.outputs.scores, target: decider.inputs.logits}
    - {source: scores.outputs.scores, target: metrics.inputs.logits}
    - {source: scores.outputs.scores, target: heat.inputs.scores}
    - {source: scores.outputs.scores, target: overlay.inputs.scores}
    - {source: decider.outputs.decisions, target: metrics.inputs.decisions}
    - {source: decider.outputs.decisions, target: overlay.inputs.decisions}
    - {source: data.outputs.mask, target: metrics.inputs.targets}
    - {source: data.outputs.mask, target: overlay.inputs.mask}
    - {source: data.outputs.cube, target: overlay.inputs.cube}
    - {source: metrics.outputs.metrics, target: board.inputs.metrics}
    - {source: heat.outputs.artifacts, target: board.inputs.artifacts}
"""

METRICS = ("IoU", "Precision", "Recall", "F1")

SELECTOR = """\
    metadata: {name: Selected}
    nodes:
    - {name: data, class: cuvis_ai.node.data.LentilsAnomalyDataNode, params: {}}
    - name: norm
      class: cuvis_ai.node.normalization.MinMaxNormalizer
      params: {eps: 1.0e-06, use_running_stats: true}
    - name: selector
      class: cuvis_ai.node.selector.SoftChannelSelector
      params: {n_select: 4, input_channels: 61, init_method: variance, temperature_init: 5.0, temperature_min: 0.2,
        temperature_decay: 0.9, hard: false, eps: 1.0e-06}
    - name: rx
      class: cuvis_ai.anomaly.rx_detector.RXGlobal
      params: {eps: 1.0e-05, num_channels: 4, cache_inverse: true}
    - {name: logit, class: cuvis_ai.node.conversion.ScoreToLogit, params: {init_scale: 1.0, init_bias: 0.0}}
    - name: bce
      class: cuvis_ai.node.losses.AnomalyBCEWithLogits
      params: {weight: 10.0, pos_weight: null, reduction: mean}
    - name: entropy
      class: cuvis_ai.node.losses.SelectorEntropyRegularizer
      params: {weight: 0.1, target_entropy: null, eps: 1.0e-06}
    - {name: diversity, class: cuvis_ai.node.losses.SelectorDiversityRegularizer, params: {weight: 0.01}}
    - {name: decider, class: cuvis_ai.deciders.binary_decider.BinaryDecider, params: {threshold: 0.5}}
    - {name: rgb, class: cuvis_ai.node.visualizations.CubeRGBVisualizer, params: {name: null, up_to: 5}}
    connections:
    - {from: data.outputs.cube, to: norm.inputs.data}
    - {from: norm.outputs.normalized, to: selector.inputs.data}
    - {from: selector.outputs.selected, to: rx.inputs.data}
    - {from: selector.outputs.weights, to: entropy.inputs.weights}
    - {from: selector.outputs.weights, to: diversity.inputs.weights}
    - {from: selector.outputs.weights, to: rgb.inputs.weights}
    - {from: data.outputs.cube, to: rgb.inputs.cube}
    - {from: data.outputs.wavelengths, to: rgb.inputs.wavelengths}
    - {from: rx.outputs.scores, to: logit.inputs.scores}
    - {from: logit.outputs.logits, to: bce.inputs.predictions}
    - {from: logit.outputs.logits, to: decider.inputs.logits}
    - {from: data.outputs.mask, to: bce.inputs.targets}
"""


@pytest.fixture(scope="module")
def specs() -> dict[str, NodeSpec]:
    """The node types of this server."""
    from catenary_server.nodes.catalog import built_in_types  # noqa: PLC0415 - it imports torch

    return {name: node.spec() for name, node in built_in_types().items()}


def read(source: HydraConfigSource, text: str) -> PipelineConfig:
    return source.read_pipeline(dedent(text).encode())


def params(config: PipelineConfig, name: str) -> dict[str, object]:
    return dict(next(node for node in config.nodes if node.name == name).params)


@pytest.mark.parametrize("text", [SVDD, SELECTOR], ids=["hparams", "older keys"])
def test_a_file_of_these_systems_is_a_pipeline_of_this_server(
    source: HydraConfigSource, specs: dict[str, NodeSpec], text: str
) -> None:
    graph = check_graph(read(source, text), specs)
    assert set(graph.ports().inputs) >= {"cube"}


def test_parameters_that_mean_the_same_keep_their_values(source: HydraConfigSource) -> None:
    config = read(source, SVDD)
    assert config.metadata.cuvis_ai_version == "0.5.3"
    assert params(config, "band") == {"min_wavelength_nm": 620.0, "max_wavelength_nm": None}
    assert params(config, "zscore") == {"eps": 1e-8}
    assert params(config, "projection") == {"out_features": 16}
    assert params(config, "center") == {"rate": 0.2}
    assert params(config, "heat") == {"output_dir": "outputs/pictures", "max_files": 3}
    assert params(config, "board") == {"output_dir": "outputs/board", "run_name": "Seeds", "comment": ""}
    selected = params(read(source, SELECTOR), "selector")
    assert selected == {"n_select": 4, "init_method": "variance", "tau_start": 5.0, "tau_end": 0.2, "hard": False}


def test_a_node_that_measures_several_things_becomes_several(source: HydraConfigSource) -> None:
    config = read(source, SVDD)
    names = {node.name: node.class_name for node in config.nodes}
    measured = {name: kind for name, kind in names.items() if kind in METRICS}
    assert measured == {"iou": "IoU", "precision": "Precision", "recall": "Recall", "f1": "F1"}
    targets = [edge.target for edge in config.connections if edge.source == "decider.outputs.decisions"]
    assert {f"{name}.inputs.decisions" for name in measured} <= set(targets)


def test_a_trainrun_reports_all_that_a_node_measured(source: HydraConfigSource) -> None:
    pipeline = dedent(SVDD).replace("\n", "\n  ")
    text = f"name: run\nmetric_nodes: [metrics]\nloss_nodes: [loss]\npipeline:\n  {pipeline}"
    config = source.read_trainrun(text.encode())
    assert config.metric_nodes == ("iou", "precision", "recall", "f1")


def test_names_that_are_taken_are_not_given_twice(source: HydraConfigSource) -> None:
    config = read(source, SVDD.replace("name: decider", "name: f1").replace(" decider.", " f1."))
    names = [node.name for node in config.nodes]
    assert len(names) == len(set(names))
    assert "metrics_f1" in names


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("kernel: linear", "kernel: rbf", "nodes.4.params.kernel"),
        ("reduce_dims: null", "reduce_dims: [1]", "nodes.8.params.reduce_dims"),
        ("update_in_eval: false", "update_in_eval: true", "nodes.5.params.update_in_eval"),
    ],
)
def test_a_value_that_would_mean_something_else_is_refused(
    source: HydraConfigSource, old: str, new: str, key: str
) -> None:
    with pytest.raises(Failure) as caught:
        read(source, SVDD.replace(old, new))
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert [fault.subject for fault in caught.value.violations] == [key]


def test_a_node_type_that_is_not_here_is_refused_by_its_name(
    source: HydraConfigSource, specs: dict[str, NodeSpec]
) -> None:
    config = read(source, "nodes: [{name: n, class_name: cuvis_ai.node.sam.Segmenter, hparams: {}}]")
    with pytest.raises(Failure, match=r"cuvis_ai\.node\.sam\.Segmenter") as caught:
        check_graph(config, specs)
    assert caught.value.reason is Reason.NODE_TYPE_UNKNOWN


def test_a_file_that_needs_a_plugin_says_so(source: HydraConfigSource) -> None:
    with pytest.raises(Failure) as caught:
        read(source, SVDD.replace("[cuvis_ai_builtin]", "[cuvis_ai_builtin, adaclip]"))
    assert caught.value.reason is Reason.CONFIG_INVALID


def test_nodes_of_this_server_are_left_alone(source: HydraConfigSource) -> None:
    config = read(source, "nodes: [{name: n, class_name: DeepSVDDProjection, params: {rep_dim: 3}}]")
    assert params(config, "n") == {"rep_dim": 3}


def test_every_counterpart_exists_with_its_parameters_and_ports(specs: dict[str, NodeSpec]) -> None:
    for words in NODES.values():
        for type_name in words.types:
            spec = specs[type_name]
            assert {name for name in words.params.values() if name} <= {param.name for param in spec.params}
            assert set(words.given) <= {param.name for param in spec.params}
            assert all(spec.input(name) is not None for name in words.inputs.values() if name)
