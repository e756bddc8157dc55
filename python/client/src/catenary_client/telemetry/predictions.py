"""What a model says about the samples of a batch."""

from __future__ import annotations

import dataclasses
import operator
from typing import TYPE_CHECKING, SupportsIndex, cast

import numpy as np

from catenary.telemetry.v1 import telemetry_pb2
from catenary_client.telemetry.tiles import own_copy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from catenary_client.telemetry.records import Scores

_LABEL_CHARACTERS = 64
_PROBABILITY_SLACK = 1e-3


@dataclasses.dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says about one sample.

    Raises:
        TypeError, ValueError: a class is no integer of 32 bits, a probability no number, or the label no text.
    """

    predicted_class: int
    confidence: float
    """Probability of that class, 0 to 1."""
    label: str = ""
    """Name of that class; the run's `class_names` when empty."""
    top_k: Sequence[tuple[int, float]] = ()
    """The most likely classes and their probabilities, best first."""

    def __post_init__(self) -> None:
        # Here, where the mistake is: the message is made later, in a thread that could tell nobody.
        if not isinstance(self.label, str):
            raise TypeError(f"a label is text, not {self.label!r}")
        object.__setattr__(self, "predicted_class", _class(self.predicted_class))
        object.__setattr__(self, "confidence", float(self.confidence))
        object.__setattr__(self, "top_k", tuple((_class(index), float(score)) for index, score in self.top_k))


def take_scores(predictions: object, count: int) -> Scores:
    """Take the predictions of the first samples as they are now.

    Args:
        predictions: `Prediction` objects, or an array: of shape [N, classes] with probabilities or logits, or of
            shape [N] with classes.
        count: samples to take at most.

    Raises:
        TypeError, ValueError: if they are nothing of that kind.
    """
    if predictions is None:
        return None
    if isinstance(predictions, list | tuple):
        shown = tuple(predictions[:count])
        if any(isinstance(each, Prediction) for each in shown):
            if not all(isinstance(each, Prediction) for each in shown):
                raise TypeError("predictions are all of type Prediction, or an array")
            return shown
    array = own_copy(predictions)[:count]
    if array.ndim not in (1, 2) or 0 in array.shape[1:]:
        raise ValueError(f"predictions have shape [N, classes] or [N], not {array.shape}")
    return array


def prediction_messages(scores: Scores, *, top_k: int, class_names: Sequence[str]) -> list[telemetry_pb2.Prediction]:
    """The predictions as they are sent.

    Rows that are no probabilities - below 0, above 1, or not adding up to 1 - are taken as logits.
    """
    if scores is None:
        return []
    if not isinstance(scores, np.ndarray):
        return [_message(p.predicted_class, p.confidence, p.label, p.top_k, class_names) for p in scores]
    if scores.ndim == 1:
        return [_message(int(value), 1.0, "", (), class_names) for value in scores.tolist()]
    return _from_rows(_probabilities(scores), top_k, class_names)


def _from_rows(rows: NDArray[np.float64], top_k: int, class_names: Sequence[str]) -> list[telemetry_pb2.Prediction]:
    count = min(max(top_k, 1), rows.shape[1])
    best = np.argsort(-rows, axis=1, kind="stable")[:, :count]
    found = np.take_along_axis(rows, best, axis=1)
    messages = []
    for classes, values in zip(best.tolist(), found.tolist(), strict=True):
        pairs = tuple(zip(classes, values, strict=True)) if top_k else ()
        messages.append(_message(classes[0], values[0], "", pairs, class_names))
    return messages


def _probabilities(scores: NDArray[np.generic]) -> NDArray[np.float64]:
    rows = scores.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        likely = bool(
            (rows >= 0).all() and (rows <= 1).all() and (abs(rows.sum(axis=1) - 1) <= _PROBABILITY_SLACK).all()
        )
        if likely or rows.shape[1] == 1:
            return rows
        # Bridle 1990, "Probabilistic interpretation of feedforward network outputs", eq. 1, shifted against overflow.
        powers = np.exp(rows - rows.max(axis=1, keepdims=True))
        return cast("NDArray[np.float64]", powers / powers.sum(axis=1, keepdims=True))


def _message(
    predicted: int, confidence: float, label: str, top_k: Iterable[tuple[int, float]], class_names: Sequence[str]
) -> telemetry_pb2.Prediction:
    return telemetry_pb2.Prediction(
        predicted_class=predicted,
        predicted_label=(label or _name(predicted, class_names))[:_LABEL_CHARACTERS],
        confidence=confidence,
        top_k_scores=[
            telemetry_pb2.TopKScore(class_idx=index, label=_name(index, class_names)[:_LABEL_CHARACTERS], score=score)
            for index, score in top_k
        ],
    )


def _class(value: SupportsIndex) -> int:
    index = operator.index(value)
    if not -(2**31) <= index < 2**31:
        raise ValueError(f"a class is an integer of 32 bits, not {index}")
    return index


def _name(index: int, class_names: Sequence[str]) -> str:
    return class_names[index] if 0 <= index < len(class_names) else ""
