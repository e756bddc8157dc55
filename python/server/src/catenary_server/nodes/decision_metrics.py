"""Metrics of decisions against ground truth, each from the four counts of the confusion matrix."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch
from torchmetrics.classification import BinaryF1Score, BinaryJaccardIndex, BinaryPrecision, BinaryRecall

from catenary_server.domain.node import NodeCategory
from catenary_server.nodes.node import Declaration, MetricNode
from catenary_server.nodes.params import NodeParams
from catenary_server.nodes.ports import decision_port, mask_port, scalar_port

if TYPE_CHECKING:
    import torchmetrics
    from torch import Tensor


class DecisionMetric(MetricNode[NodeParams]):
    """Base of metrics that compare decisions with ground truth."""

    declaration = Declaration(
        category=NodeCategory.METRIC,
        tags=("ANOMALY",),
        inputs=(decision_port("decisions", "true = anomaly"), mask_port("targets", "ground truth, 0 = background")),
        outputs=(scalar_port("value", "the metric, 0 to 1"),),
    )

    def pair(self, decisions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]  # its ports
        """Decisions and classes, flat."""
        return decisions.flatten().to(torch.int32), (targets > 0).flatten().to(torch.int32)


class IoU(DecisionMetric):
    """Intersection over union of decided and true anomalies (Jaccard 1912): TP / (TP + FP + FN)."""

    declaration = dataclasses.replace(
        DecisionMetric.declaration,
        citation="Jaccard, The distribution of the flora in the alpine zone, New Phytologist 11, 1912",
    )

    def metric(self) -> torchmetrics.Metric:
        """A fresh accumulator."""
        return BinaryJaccardIndex(validate_args=False)


class Precision(DecisionMetric):
    """Share of decided anomalies that are true ones: TP / (TP + FP)."""

    def metric(self) -> torchmetrics.Metric:
        """A fresh accumulator."""
        return BinaryPrecision(validate_args=False)


class Recall(DecisionMetric):
    """Share of true anomalies that were found: TP / (TP + FN)."""

    def metric(self) -> torchmetrics.Metric:
        """A fresh accumulator."""
        return BinaryRecall(validate_args=False)


class F1(DecisionMetric):
    """Harmonic mean of precision and recall (van Rijsbergen 1979): 2 TP / (2 TP + FP + FN)."""

    declaration = dataclasses.replace(
        DecisionMetric.declaration, citation="van Rijsbergen, Information retrieval, 2nd edition, 1979"
    )

    def metric(self) -> torchmetrics.Metric:
        """A fresh accumulator."""
        return BinaryF1Score(validate_args=False)
