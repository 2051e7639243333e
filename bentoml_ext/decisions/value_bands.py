"""Value bands: the decider of bands over a predicted number, which it answers, too."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from bentoml_ext.arrays import Ints, Predictions
from bentoml_ext.decisions.base import AnswerSchema, Column, Columns
from bentoml_ext.decisions.float_text import shortest
from bentoml_ext.decisions.policy import ValueBands
from bentoml_ext.decisions.worded import ValueDecider, WordedDecider
from bentoml_ext.objectives.base import Objective

__all__ = ["ValueBandDecider"]


class ValueBandDecider(WordedDecider):
    """The band of a predicted number, and the number.

    Args:
        policy: the bands, and the names of both.
        objective: of the model.
        n_margins: of a row.
    """

    def __init__(self, policy: ValueBands, objective: Objective, n_margins: int) -> None:
        self.policy: ValueBands = policy
        # Rising order, so that a search counts the bands that a number is in.
        self._bounds = np.array([band.above for band in reversed(policy.bands)], np.float32)
        self._above: list[float] = self._bounds.tolist()
        band = Column(policy.key, "text", "The policy's answer.", policy.answers[::-1])
        number = Column(policy.value, "number", ValueDecider.says)
        super().__init__(AnswerSchema((band, number)), objective, n_margins)

    @property
    def bounds(self) -> Predictions:
        """float32, (bands,), rising: a number is in the bands whose bound it is above."""
        return self._bounds

    def of(self, predictions: Predictions) -> Columns:
        numbers = predictions[:, 0]
        # Searched from the left, a bound itself is not above it.
        bands = np.searchsorted(self._bounds, numbers, side="left")
        return {self.policy.key: bands, self.policy.value: numbers}

    def texts(self, predictions: list[float]) -> Sequence[str]:
        (number,) = predictions
        band = bisect_left(self._above, number)
        return self._layout.text(self.policy.key, band), shortest(number)

    def decide(self, predictions: Predictions) -> Ints:
        # As the policy reads: each number in float32 with each bound.
        counted: Ints = (predictions > self._bounds).sum(axis=1)
        return counted
