"""The built-in node types, by the names that configurations use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catenary_server.nodes.anomaly_bce_with_logits import AnomalyBCEWithLogits
from catenary_server.nodes.anomaly_heatmap import AnomalyHeatmap
from catenary_server.nodes.auroc import AUROC
from catenary_server.nodes.bandpass_by_wavelength import BandpassByWavelength
from catenary_server.nodes.binary_decider import BinaryDecider
from catenary_server.nodes.decision_metrics import F1, IoU, Precision, Recall
from catenary_server.nodes.deep_svdd_center_tracker import DeepSVDDCenterTracker
from catenary_server.nodes.deep_svdd_projection import DeepSVDDProjection
from catenary_server.nodes.deep_svdd_scores import DeepSVDDScores
from catenary_server.nodes.deep_svdd_soft_boundary_loss import DeepSVDDSoftBoundaryLoss
from catenary_server.nodes.false_color_rgb import FalseColorRGB
from catenary_server.nodes.lad_global import LADGlobal
from catenary_server.nodes.mask_overlay import MaskOverlay
from catenary_server.nodes.min_max_normalizer import MinMaxNormalizer
from catenary_server.nodes.mse_loss import MSELoss
from catenary_server.nodes.pixel_unit_normalizer import PixelUnitNormalizer
from catenary_server.nodes.quantile_binary_decider import QuantileBinaryDecider
from catenary_server.nodes.random_fourier_features import RandomFourierFeatures
from catenary_server.nodes.rx_global import RXGlobal
from catenary_server.nodes.rx_local import RXLocal
from catenary_server.nodes.scene_input import SceneInput
from catenary_server.nodes.score_to_logit import ScoreToLogit
from catenary_server.nodes.selector_diversity_regularizer import SelectorDiversityRegularizer
from catenary_server.nodes.selector_entropy_regularizer import SelectorEntropyRegularizer
from catenary_server.nodes.soft_channel_selector import SoftChannelSelector
from catenary_server.nodes.telemetry_monitor import TelemetryMonitor
from catenary_server.nodes.trainable_pca import TrainablePCA
from catenary_server.nodes.z_score_normalizer import ZScoreNormalizer

if TYPE_CHECKING:
    from catenary_server.nodes.node import Node

BUILT_IN: tuple[type[Node[Any]], ...] = (
    SceneInput,
    BandpassByWavelength,
    MinMaxNormalizer,
    PixelUnitNormalizer,
    ZScoreNormalizer,
    TrainablePCA,
    RandomFourierFeatures,
    SoftChannelSelector,
    RXGlobal,
    RXLocal,
    LADGlobal,
    DeepSVDDProjection,
    DeepSVDDCenterTracker,
    DeepSVDDScores,
    ScoreToLogit,
    BinaryDecider,
    QuantileBinaryDecider,
    AnomalyBCEWithLogits,
    DeepSVDDSoftBoundaryLoss,
    MSELoss,
    SelectorDiversityRegularizer,
    SelectorEntropyRegularizer,
    AUROC,
    F1,
    IoU,
    Precision,
    Recall,
    AnomalyHeatmap,
    FalseColorRGB,
    MaskOverlay,
    TelemetryMonitor,
)
"""Every built-in node type once."""

ALIASES: dict[str, type[Node[Any]]] = {
    "LentilsAnomalyDataNode": SceneInput,
    "TensorBoardMonitorNode": TelemetryMonitor,
    "ZScoreNormalizerGlobal": ZScoreNormalizer,
}
"""Names that older pipeline files use for a built-in type."""


def built_in_types() -> dict[str, type[Node[Any]]]:
    """Node types by every name they go by."""
    return {node.__name__: node for node in BUILT_IN} | ALIASES
