from __future__ import annotations

import numpy as np
import pytest
import torch
from fitting import cube, fit, make
from scipy.special import softmax
from scipy.stats import entropy
from sklearn.metrics.pairwise import cosine_similarity

from catenary_server.nodes.selector_diversity_regularizer import SelectorDiversityRegularizer
from catenary_server.nodes.selector_entropy_regularizer import SelectorEntropyRegularizer
from catenary_server.nodes.soft_channel_selector import SoftChannelSelector


def test_choices_are_hard_and_distinct_outside_training() -> None:
    node = fit(make(SoftChannelSelector, n_select=2), cube())
    with torch.no_grad():
        node.logits.copy_(torch.tensor([[0.0, 9.0, 1.0, 0.0], [0.0, 8.0, 2.0, 0.0]]))
    outputs = node(data=cube())
    assert node.channels == (1, 2)
    assert outputs["weights"].tolist() == [[0, 1, 0, 0], [0, 0, 1, 0]]
    assert torch.equal(outputs["selected"], cube()[..., [1, 2]])


def test_choices_are_soft_and_random_in_training() -> None:
    node = fit(make(SoftChannelSelector, n_select=2), cube()).train()
    first, second = node(data=cube())["weights"], node(data=cube())["weights"]
    assert not torch.equal(first, second)
    assert torch.allclose(first.sum(dim=1), torch.ones(2))
    assert ((first > 0) & (first < 1)).all()
    first.sum().backward()
    assert node.logits.grad is not None


def test_cold_choices_are_drawn_as_often_as_their_probability_says() -> None:
    """Towards temperature 0 Gumbel softmax samples one-hot rows from softmax(logits) (Maddison et al., prop. 1)."""
    torch.manual_seed(0)
    node = fit(make(SoftChannelSelector, n_select=1), cube()).train()
    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0]])
    node.set_fitted(logits=logits.repeat(20_000, 1))
    node.tau = 1e-3
    weights = node(data=cube())["weights"].detach()
    assert (weights.max(dim=1).values > 0.99).float().mean() > 0.99
    np.testing.assert_allclose(weights.mean(dim=0), softmax(logits[0].numpy()), atol=0.015)


def test_hot_choices_are_even() -> None:
    node = fit(make(SoftChannelSelector, n_select=3), cube()).train()
    node.tau = 1e6
    np.testing.assert_allclose(node(data=cube())["weights"].detach(), np.full((3, 4), 0.25), atol=1e-4)


def test_straight_through_choices_are_hard_but_learn() -> None:
    node = fit(make(SoftChannelSelector, n_select=1, hard=True), cube()).train()
    weights = node(data=cube())["weights"]
    assert sorted(weights.flatten().tolist()) == pytest.approx([0, 0, 0, 1])
    (weights * torch.arange(4.0)).sum().backward()
    assert node.logits.grad is not None
    assert node.logits.grad.abs().sum() > 0


def test_the_temperature_falls_exponentially_over_the_epochs() -> None:
    node = make(SoftChannelSelector, tau_start=8.0, tau_end=0.5)
    taus = []
    for epoch in range(5):
        node.begin_epoch(epoch, 5)
        taus.append(node.tau)
    assert taus == pytest.approx([8, 4, 2, 1, 0.5])
    node.begin_epoch(0, 1)
    assert node.tau == 8


def test_variances_may_give_the_first_choices() -> None:
    data = torch.randn(1, 30, 30, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 5.0, 3.0])
    node = fit(make(SoftChannelSelector, n_select=1, init_method="variance", init_noise=0.0), data)
    assert node.channels == (1,)


def test_there_are_no_more_choices_than_bands() -> None:
    node = fit(make(SoftChannelSelector, n_select=9), cube())
    assert sorted(node.channels) == [0, 1, 2, 3]


def test_entropy_is_0_for_sure_choices_and_1_for_even_ones() -> None:
    node = make(SelectorEntropyRegularizer, weight=2.0)
    sure = torch.eye(3).requires_grad_()
    loss = node(weights=sure)["loss"]
    loss.backward()
    assert float(loss.detach()) == 0
    assert sure.grad is not None
    assert sure.grad.isfinite().all()
    assert float(node(weights=torch.full((3, 4), 0.25))["loss"]) == pytest.approx(2)


def test_regularizers_agree_with_scipy_and_scikit_learn() -> None:
    weights = torch.randn(5, 7, generator=torch.Generator().manual_seed(0)).softmax(dim=1)
    found = float(make(SelectorEntropyRegularizer, weight=1.0)(weights=weights)["loss"])
    assert found == pytest.approx(entropy(weights.double().numpy(), axis=1, base=7).mean(), rel=1e-5)
    similarity = cosine_similarity(weights.numpy())
    expected = similarity[~np.eye(5, dtype=bool)].mean()
    assert float(make(SelectorDiversityRegularizer, weight=1.0)(weights=weights)["loss"]) == pytest.approx(
        expected, rel=1e-5
    )


def test_diversity_is_0_for_distinct_choices_and_1_for_equal_ones() -> None:
    node = make(SelectorDiversityRegularizer, weight=2.0)
    assert float(node(weights=torch.eye(3))["loss"]) == pytest.approx(0)
    assert float(node(weights=torch.eye(3)[[0, 0, 0]])["loss"]) == pytest.approx(2)
    assert float(node(weights=torch.eye(3)[:1])["loss"]) == pytest.approx(0)
