from __future__ import annotations

import pytest
import torch
from fitting import make
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score, roc_auc_score

from catenary_server.nodes.auroc import AUROC
from catenary_server.nodes.decision_metrics import F1, DecisionMetric, IoU, Precision, Recall


def sample(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(0, 3, (2, 8, 8), generator=generator, dtype=torch.int32).clamp_min(1) - 1
    noise = torch.randn(2, 8, 8, 1, generator=generator)
    return (targets.unsqueeze(-1) + noise).mul(5).round(), targets


def test_the_area_is_exact_with_ties_and_for_any_scale() -> None:
    scores, targets = sample()
    expected = roc_auc_score(targets.flatten() > 0, scores.flatten())
    for scaled in (scores, scores * 1e9, scores * 1e-9):
        assert float(make(AUROC)(scores=scaled, targets=targets)["value"]) == pytest.approx(expected, abs=1e-6)


def test_the_area_over_batches_is_that_of_all_pixels() -> None:
    scores, targets = sample()
    node = make(AUROC)
    metric = node.metric()
    for index in range(2):
        metric.update(*node.pair(scores=scores[index : index + 1], targets=targets[index : index + 1]))
    assert float(metric.compute()) == pytest.approx(roc_auc_score(targets.flatten() > 0, scores.flatten()))


def test_one_class_has_no_area() -> None:
    scores, targets = sample()
    assert make(AUROC)(scores=scores, targets=targets * 0)["value"].isnan()
    assert make(AUROC)(scores=scores, targets=targets * 0 + 1)["value"].isnan()
    assert make(AUROC)(scores=scores * torch.nan, targets=targets)["value"].isnan()


@pytest.mark.parametrize(
    ("node", "reference"),
    [(IoU, jaccard_score), (Precision, precision_score), (Recall, recall_score), (F1, f1_score)],
)
def test_decisions_are_measured_as_scikit_learn_does(node: type[DecisionMetric], reference: object) -> None:
    scores, targets = sample()
    decisions = scores > 2
    assert callable(reference)
    expected = reference(targets.flatten() > 0, decisions.flatten())
    assert float(make(node)(decisions=decisions, targets=targets)["value"]) == pytest.approx(expected)
    again = make(node)(decisions=decisions & False, targets=targets)["value"]
    assert float(again) == 0
