from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import safetensors.torch
import torch
from trainruns import loaded, run, small, tensors

from catenary_server.domain.failure import Failure, Reason
from catenary_server.domain.training import Phase
from catenary_server.engine.torch_engine import TorchEngine
from catenary_server.nodes.catalog import built_in_types

if TYPE_CHECKING:
    from catenary_scenes import Scene


@pytest.fixture(scope="module")
def trained() -> TorchEngine:
    """One for all tests, which change nothing in it."""
    engine = TorchEngine(built_in_types(), "cpu")
    config = loaded(engine, small("deep_svdd", epochs=1))
    run(engine, Phase.STATISTICAL, config)
    run(engine, Phase.GRADIENT, config)
    return engine


@pytest.fixture
def fresh() -> TorchEngine:
    engine = TorchEngine(built_in_types(), "cpu")
    loaded(engine, small("deep_svdd"))
    return engine


def refused(engine: TorchEngine, weights: bytes) -> Failure:
    with pytest.raises(Failure) as caught:
        engine.load_weights(memoryview(weights), strict=True)
    return caught.value


def changed(weights: bytes, **changes: torch.Tensor | None) -> bytes:
    found = safetensors.torch.load(weights)
    for name, tensor in changes.items():
        key = name.replace("__", ".")
        if tensor is None:
            del found[key]
        else:
            found[key] = tensor
    return safetensors.torch.save(found)


def test_weights_and_statistics_come_back_in_another_session(
    trained: TorchEngine, fresh: TorchEngine, small_scene: Scene
) -> None:
    fresh.load_weights(memoryview(trained.dump_weights()), strict=True)
    scores = [
        engine.infer(tensors(small_scene), ["scores.scores"]).outputs["scores.scores"].array()
        for engine in (trained, fresh)
    ]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert fresh.dump_weights() == trained.dump_weights()


def test_weights_can_be_dumped_before_anything_is_fitted(fresh: TorchEngine) -> None:
    assert safetensors.torch.load(fresh.dump_weights()).keys() == {"deep_svdd.radius_squared"}


def test_pickles_are_refused_by_their_first_bytes(fresh: TorchEngine) -> None:
    archive = io.BytesIO()
    torch.save({"projection.weight": torch.zeros(2)}, archive)
    for weights in (archive.getvalue(), pickle.dumps({"projection.weight": 1})):
        assert refused(fresh, weights).reason is Reason.WEIGHTS_FORMAT_FORBIDDEN


@pytest.mark.parametrize("weights", [b"", b"not weights at all", b"\xff" * 64, b"\x10\x00\x00\x00\x00\x00\x00\x00{}"])
def test_damaged_bytes_are_refused(fresh: TorchEngine, weights: bytes) -> None:
    assert refused(fresh, weights).reason is Reason.WEIGHTS_CORRUPT


def test_weights_that_are_cut_off_are_refused(trained: TorchEngine, fresh: TorchEngine) -> None:
    assert refused(fresh, trained.dump_weights()[:-1]).reason is Reason.WEIGHTS_CORRUPT


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"center__center": None}, "center.center"),
        ({"nowhere__weight": torch.zeros(2)}, "nowhere.weight"),
        ({"center__nowhere": torch.zeros(2)}, "center.nowhere"),
        ({"center__center": torch.zeros(2, 2)}, "center.center"),
        ({"center__center": torch.zeros(0)}, "center.center"),
        ({"center__center": torch.zeros(2, dtype=torch.float64)}, "center.center"),
        ({"deep_svdd__radius_squared": torch.zeros(2)}, "deep_svdd.radius_squared"),
        ({"normalizer__std": torch.zeros(5)}, "normalizer.std"),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_each_tensor_and_nothing_changes(
    trained: TorchEngine, fresh: TorchEngine, changes: dict[str, Any], subject: str
) -> None:
    before = fresh.dump_weights()
    failure = refused(fresh, changed(trained.dump_weights(), **changes))
    assert failure.reason is Reason.WEIGHTS_MISMATCH
    assert subject in [violation.subject for violation in failure.violations]
    assert fresh.dump_weights() == before


def test_no_more_than_twenty_tensors_are_named(fresh: TorchEngine) -> None:
    weights = safetensors.torch.save({f"nowhere.{index}": torch.zeros(1) for index in range(30)})
    assert len(refused(fresh, weights).violations) == 20


def test_without_strict_names_of_one_side_are_left_out_and_reported(trained: TorchEngine, fresh: TorchEngine) -> None:
    weights = changed(trained.dump_weights(), nowhere__weight=torch.zeros(2), pca__mean=None)
    report = fresh.load_weights(memoryview(weights), strict=False)
    assert report.unexpected == ("nowhere.weight",)
    assert report.missing == ("pca.mean",)
    loaded_names = safetensors.torch.load(fresh.dump_weights()).keys()
    assert loaded_names == safetensors.torch.load(trained.dump_weights()).keys() - {"pca.mean"}


def test_without_strict_shapes_and_types_must_fit_all_the_same(trained: TorchEngine, fresh: TorchEngine) -> None:
    before = fresh.dump_weights()
    weights = changed(trained.dump_weights(), normalizer__std=torch.zeros(5, dtype=torch.float64))
    with pytest.raises(Failure) as caught:
        fresh.load_weights(memoryview(weights), strict=False)
    assert caught.value.reason is Reason.WEIGHTS_MISMATCH
    assert [fault.subject for fault in caught.value.violations] == ["normalizer.std"]
    assert fresh.dump_weights() == before


def test_a_tensor_must_fit_those_that_stay(trained: TorchEngine) -> None:
    before = trained.dump_weights()
    five_bands = safetensors.torch.save({"normalizer.mean": torch.zeros(5, dtype=torch.float64)})
    with pytest.raises(Failure) as caught:
        trained.load_weights(memoryview(five_bands), strict=False)
    assert caught.value.reason is Reason.WEIGHTS_MISMATCH
    assert trained.dump_weights() == before


def test_a_session_without_a_pipeline_has_no_weights(engine: TorchEngine) -> None:
    with pytest.raises(Failure) as caught:
        engine.dump_weights()
    assert caught.value.reason is Reason.STATE_INVALID
