from __future__ import annotations

import numpy as np
import pytest
import torch
from fitting import cube, fit, make

from catenary_server.nodes.deep_svdd_center_tracker import DeepSVDDCenterTracker
from catenary_server.nodes.deep_svdd_projection import DeepSVDDProjection
from catenary_server.nodes.deep_svdd_scores import DeepSVDDScores
from catenary_server.nodes.deep_svdd_soft_boundary_loss import DeepSVDDSoftBoundaryLoss


def test_a_square_linear_projection_starts_by_keeping_distances() -> None:
    data = cube()
    embeddings = fit(make(DeepSVDDProjection), data)(data=data)["embeddings"]
    assert torch.allclose(embeddings.norm(dim=-1), data.norm(dim=-1), rtol=1e-4)


def test_a_hidden_layer_and_another_size_are_possible() -> None:
    node = fit(make(DeepSVDDProjection, hidden_features=7, out_features=3), cube())
    assert node(data=cube())["embeddings"].shape == (2, 6, 5, 3)
    assert {name: tuple(tensor.shape) for name, tensor in node.state_dict().items()} == {
        "hidden_weight": (7, 4),
        "weight": (3, 7),
    }


def test_the_centre_is_the_mean_embedding_and_stays() -> None:
    data = cube()
    node = fit(make(DeepSVDDCenterTracker), data[:1], data[1:]).train()
    expected = data.reshape(-1, 4).mean(dim=0)
    assert torch.allclose(node(embeddings=data)["center"], expected, atol=1e-5)
    assert torch.allclose(node(embeddings=data + 1)["center"], expected, atol=1e-5)


def test_a_centre_with_a_rate_follows_only_while_it_learns() -> None:
    data = cube()
    node = fit(make(DeepSVDDCenterTracker, rate=0.5), data)
    before = node.center.clone()
    node(embeddings=data + 1)
    assert torch.equal(node.center, before)
    moved = node.train()(embeddings=data + 1)["center"]
    assert torch.allclose(moved, before + 0.5, atol=1e-4)


def test_scores_are_squared_distances_from_the_centre() -> None:
    embeddings = torch.tensor([[[[3.0, 4.0], [0.0, 1.0]]]])
    scores = make(DeepSVDDScores)(embeddings=embeddings, center=torch.zeros(2))["scores"]
    assert scores.flatten().tolist() == [25, 1]


def test_the_loss_is_the_soft_boundary_objective_at_the_quantile() -> None:
    embeddings = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 2, 2, 1)
    loss = make(DeepSVDDSoftBoundaryLoss, nu=0.5)(embeddings=embeddings, center=torch.zeros(1))["loss"]
    radius_squared, outside = 4, ((9 - 4) + (16 - 4)) / 4
    assert float(loss) == pytest.approx(radius_squared + outside / 0.5)


@pytest.mark.parametrize("nu", [0.05, 0.3, 1.0])
def test_the_loss_agrees_with_the_objective_of_the_paper(nu: float) -> None:
    """R^2 + 1 / (nu n) sum max(0, |z - c|^2 - R^2) (Ruff et al., eq. 3), R^2 the (1 - nu) quantile."""
    embeddings, center = cube(), torch.tensor([1.0, 2.0, 3.0, 4.0])
    distances = ((embeddings.double().numpy() - center.numpy()) ** 2).sum(axis=-1).ravel()
    radius = np.quantile(distances, 1 - nu, method="inverted_cdf")
    expected = radius + np.maximum(0, distances - radius).sum() / (nu * distances.size)
    found = make(DeepSVDDSoftBoundaryLoss, nu=nu)(embeddings=embeddings, center=center)["loss"]
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_a_projection_is_a_small_network_without_biases() -> None:
    data, node = cube(), fit(make(DeepSVDDProjection, hidden_features=7, out_features=3), cube())
    weights = {name: tensor.double().numpy() for name, tensor in node.state_dict().items()}
    hidden = data.double().numpy() @ weights["hidden_weight"].T
    expected = np.where(hidden > 0, hidden, 0.1 * hidden) @ weights["weight"].T
    np.testing.assert_allclose(node(data=data)["embeddings"].detach(), expected, rtol=1e-4, atol=1e-4)


def test_the_radius_follows_the_quantile_in_training_and_starts_anew_with_a_run() -> None:
    node = make(DeepSVDDSoftBoundaryLoss, nu=0.5, radius_momentum=0.75).train()
    embeddings = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 2, 2, 1)
    node(embeddings=embeddings, center=torch.zeros(1))
    assert float(node.radius_squared) == 4
    node(embeddings=embeddings * 2, center=torch.zeros(1))
    assert float(node.radius_squared) == pytest.approx(0.75 * 4 + 0.25 * 16)
    node.eval()(embeddings=embeddings * 9, center=torch.zeros(1))
    assert float(node.radius_squared) == pytest.approx(7)
    node.begin_epoch(1, 5)
    assert float(node.radius_squared) == pytest.approx(7)
    node.begin_epoch(0, 5)
    assert float(node.radius_squared) < 0


def test_gradients_come_only_from_pixels_outside_the_sphere() -> None:
    embeddings = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 2, 2, 1).requires_grad_()
    make(DeepSVDDSoftBoundaryLoss, nu=0.5)(embeddings=embeddings, center=torch.zeros(1))["loss"].backward()
    assert embeddings.grad is not None
    assert embeddings.grad.flatten().tolist() == pytest.approx([0, 0, 3, 4])
