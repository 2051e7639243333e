"""Classes: objectives whose prediction is a class, or a probability for each."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from bentoml_ext.arrays import Margins, Predictions
from bentoml_ext.objectives.base import Count, Objective, Output
from bentoml_ext.objectives.expf import expf, expf_one

__all__ = ["Hinge", "LargestMargin", "Softmax", "first_largest"]


class Hinge(Objective):
    """Class 1 above a margin of 0, and class 0 up to it."""

    output: ClassVar[Output] = "classes"

    def predict(self, margins: Margins) -> Predictions:
        return (margins > 0).astype(np.float32)

    def served_one(self, margins: Margins) -> list[float]:
        return [float(margin > 0) for margin in margins[0].tolist()]


class Softmax(Objective):
    """A probability for each class; XGBoost adds up in float64, in the order of the classes."""

    output: ClassVar[Output] = "classes"
    uses_expf: ClassVar[bool] = True
    count: ClassVar[Count] = "classes"

    def predict(self, margins: Margins) -> Predictions:
        # infinity - infinity is NaN, as in XGBoost.
        with np.errstate(invalid="ignore", over="ignore"):
            parts = expf(margins - np.fmax.reduce(margins, axis=1, keepdims=True))
            total = np.zeros(len(margins))
            for column in parts.T:
                total += column
            result: Predictions = parts / total.astype(np.float32)[:, None]
        return result

    def served_one(self, margins: Margins) -> list[float]:
        row = margins[0]
        if not np.isfinite(row).all():
            return super().served_one(margins)
        with np.errstate(over="ignore"):
            parts = [expf_one(gap) for gap in (row - row.max()).tolist()]
        total = 0.0
        for part in parts:
            total += part
        found: list[float] = (np.array(parts, np.float32) / np.float32(total)).tolist()
        return found


class LargestMargin(Objective):
    """The index of the class with the largest margin, as float32; the first of equals."""

    output: ClassVar[Output] = "classes"
    count: ClassVar[Count] = "classes"

    def predict(self, margins: Margins) -> Predictions:
        return first_largest(margins)

    def served_one(self, margins: Margins) -> list[float]:
        return [float(margins[0].argmax())]


def first_largest(scores: Predictions) -> Predictions:
    """float32, (n, 1): the first column with the largest score; NaN is larger than none."""
    best = np.zeros(len(scores), np.int64)
    largest = scores[:, 0].copy()
    for place in range(1, scores.shape[1]):
        column = scores[:, place]
        larger = column > largest
        best[larger] = place
        largest[larger] = column[larger]
    return best.astype(np.float32)[:, None]
