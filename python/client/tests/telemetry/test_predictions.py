from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from catenary_client.telemetry import Prediction
from catenary_client.telemetry.predictions import prediction_messages, take_scores

NAMES = ["zero", "one", "two", "three"]


def test_probabilities_give_the_best_classes_in_order() -> None:
    scores = take_scores(np.array([[0.1, 0.2, 0.6, 0.1], [0.7, 0.1, 0.1, 0.1]]), 16)
    first, second = prediction_messages(scores, top_k=3, class_names=NAMES)
    assert (first.predicted_class, first.predicted_label) == (2, "two")
    assert first.confidence == pytest.approx(0.6)
    assert [(item.class_idx, item.label) for item in first.top_k_scores[:2]] == [(2, "two"), (1, "one")]
    assert second.predicted_class == 0
    assert len(second.top_k_scores) == 3


def test_logits_become_probabilities() -> None:
    (message,) = prediction_messages(take_scores(np.array([[1000.0, 0.0, -1000.0]]), 16), top_k=2, class_names=())
    assert message.predicted_class == 0
    assert message.confidence == pytest.approx(1.0)
    assert message.top_k_scores[1].score == pytest.approx(0.0)


def test_classes_alone_are_certain() -> None:
    messages = prediction_messages(take_scores([3, 1], 16), top_k=3, class_names=NAMES)
    assert [(item.predicted_class, item.predicted_label, item.confidence) for item in messages] == [
        (3, "three", 1.0),
        (1, "one", 1.0),
    ]


def test_predictions_are_taken_as_they_are() -> None:
    given = [Prediction(7, 0.5, label="seven", top_k=[(7, 0.5), (1, 0.4)])]
    (message,) = prediction_messages(take_scores(given, 16), top_k=3, class_names=NAMES)
    assert message.predicted_label == "seven"
    assert [item.label for item in message.top_k_scores] == ["", "one"]


def test_scores_are_copied_and_cut_to_what_is_shown() -> None:
    scores = np.eye(40)
    taken = take_scores(scores, 16)
    scores[:] = 0
    assert isinstance(taken, np.ndarray)
    assert taken.shape == (16, 40)
    assert taken[3, 3] == 1


def test_nan_scores_are_no_reason_to_fail() -> None:
    (message,) = prediction_messages(take_scores(np.array([[np.nan, 1.0]]), 16), top_k=2, class_names=())
    assert len(message.top_k_scores) == 2


def test_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="predictions have shape"):
        take_scores(np.zeros((2, 3, 4)), 16)


def test_none_is_none() -> None:
    assert prediction_messages(take_scores(None, 16), top_k=3, class_names=()) == []


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"predicted_class": 1.5, "confidence": 0.5}, TypeError),
        ({"predicted_class": 2**31, "confidence": 0.5}, ValueError),
        ({"predicted_class": 1, "confidence": "high"}, ValueError),
        ({"predicted_class": 1, "confidence": 0.5, "label": 7}, TypeError),
        ({"predicted_class": 1, "confidence": 0.5, "top_k": [("one", 0.5)]}, TypeError),
    ],
)
def test_a_prediction_that_cannot_be_sent_is_refused_where_it_is_made(
    fields: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        Prediction(**fields)


def test_predictions_of_two_kinds_are_refused() -> None:
    with pytest.raises(TypeError, match="all of type Prediction"):
        take_scores([Prediction(1, 0.5), 3], 16)


def test_numbers_of_numpy_are_taken() -> None:
    prediction = Prediction(np.int64(3), np.float32(0.5), top_k=[(np.int64(3), np.float32(0.5))])  # type: ignore[arg-type,list-item] # what an argmax gives
    assert (prediction.predicted_class, prediction.top_k) == (3, ((3, 0.5),))
