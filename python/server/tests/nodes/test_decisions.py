from __future__ import annotations

import numpy as np
import pytest
import torch
from fitting import cube, fit, make
from scipy.special import expit
from sklearn.metrics import log_loss, mean_squared_error

from catenary_server.nodes.anomaly_bce_with_logits import AnomalyBCEWithLogits
from catenary_server.nodes.binary_decider import BinaryDecider
from catenary_server.nodes.mse_loss import MSELoss
from catenary_server.nodes.quantile_binary_decider import QuantileBinaryDecider
from catenary_server.nodes.score_to_logit import ScoreToLogit


def scores(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, 1, -1, 1)


def test_logits_count_standard_deviations_from_the_boundary() -> None:
    training = cube(channels=1) * 7
    node = fit(make(ScoreToLogit, boundary=2.0), training)
    far = training.mean() + 3 * training.std()
    assert float(node(scores=far.reshape(1, 1, 1, 1))["logits"].detach()) == pytest.approx(1, abs=1e-3)


def test_fitting_again_forgets_what_gradients_made_of_the_logits() -> None:
    node = fit(make(ScoreToLogit), cube(channels=1))
    with torch.no_grad():
        node.gain.fill_(9)
        node.boundary.fill_(9)
    fit(node, cube(channels=1))
    assert (float(node.gain.detach()), float(node.boundary.detach())) == (1, 3)


def test_a_probability_at_the_threshold_is_an_anomaly() -> None:
    decisions = make(BinaryDecider)(logits=scores(-1, 0, 1))["decisions"]
    assert decisions.flatten().tolist() == [False, True, True]


def test_each_image_has_its_own_quantile() -> None:
    images = torch.stack([torch.arange(100.0), torch.arange(100.0) * 50]).reshape(2, 10, 10, 1)
    decisions = make(QuantileBinaryDecider, quantile=0.9)(scores=images)["decisions"]
    assert decisions.flatten(1).sum(dim=1).tolist() == [10, 10]


@pytest.mark.parametrize("quantile", [0.0, 0.37, 0.5, 0.95, 1.0])
def test_decisions_lie_above_the_quantile_of_numpy(quantile: float) -> None:
    values = torch.randn(1, 13, 7, 1, generator=torch.Generator().manual_seed(0))
    threshold = np.quantile(values.numpy(), quantile, method="inverted_cdf")
    decisions = make(QuantileBinaryDecider, quantile=quantile)(scores=values)["decisions"]
    np.testing.assert_array_equal(decisions.numpy(), values.numpy() > threshold)


def test_probabilities_are_those_of_scipy() -> None:
    values = torch.randn(1, 13, 7, 1, generator=torch.Generator().manual_seed(0))
    decisions = make(BinaryDecider, threshold=0.3)(logits=values)["decisions"]
    np.testing.assert_array_equal(decisions.numpy(), expit(values.numpy()) >= 0.3)


def test_rare_anomalies_weigh_as_much_as_the_background() -> None:
    logits, targets = scores(-1, -2, -3, 2), torch.tensor([[[0, 0, 0, 4]]], dtype=torch.int32)
    truth, probabilities = np.array([0, 0, 0, 1]), expit(logits.flatten().double().numpy())
    terms = -np.where(truth, 3 * np.log(probabilities), np.log(1 - probabilities))
    assert float(make(AnomalyBCEWithLogits)(logits=logits, targets=targets)["loss"]) == pytest.approx(terms.mean())
    plain = log_loss(truth, probabilities)
    node = make(AnomalyBCEWithLogits, pos_weight=1.0, weight=2.0)
    assert float(node(logits=logits, targets=targets)["loss"]) == pytest.approx(2 * float(plain))


def test_cross_entropy_without_anomalies_is_finite() -> None:
    loss = make(AnomalyBCEWithLogits)(logits=scores(-1, 1), targets=torch.zeros(1, 1, 2, dtype=torch.int32))["loss"]
    assert loss.isfinite()


def test_mean_squared_error_agrees_with_scikit_learn() -> None:
    predictions, targets = cube(), cube(seed=1)
    found = make(MSELoss)(predictions=predictions, targets=targets)["loss"]
    assert float(found) == pytest.approx(mean_squared_error(predictions.flatten(), targets.flatten()), rel=1e-5)


def test_mean_squared_error_is_weighted() -> None:
    loss = make(MSELoss, weight=3.0)(predictions=torch.ones(1, 2, 2, 1), targets=torch.zeros(1, 2, 2, 1))["loss"]
    assert float(loss) == 3
