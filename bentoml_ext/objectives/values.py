"""Values: objectives whose prediction is a number on the scale of the target."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np

from bentoml_ext.arrays import Margins, Predictions
from bentoml_ext.objectives.base import Objective, Output
from bentoml_ext.objectives.expf import expf, expf_one
from bentoml_ext.objectives.log1pf import softplus

__all__ = ["LEAST_STEP", "Expectiles", "Exponential", "Identity", "Sorted", "WideExponential"]

LEAST_STEP: Final = 1e-6
"""XGBoost's kRtEps: expectiles are at least this far apart."""


class Identity(Objective):
    """The margin itself."""

    output: ClassVar[Output] = "value"

    def predict(self, margins: Margins) -> Predictions:
        return margins.copy()

    def served_one(self, margins: Margins) -> list[float]:
        found: list[float] = margins[0].tolist()
        return found


class Exponential(Objective):
    """The exponential in float32."""

    output: ClassVar[Output] = "value"
    uses_expf: ClassVar[bool] = True

    def predict(self, margins: Margins) -> Predictions:
        return expf(margins)

    def served_one(self, margins: Margins) -> list[float]:
        return [expf_one(margin) for margin in margins[0].tolist()]


class WideExponential(Objective):
    """The exponential in float64, then rounded."""

    output: ClassVar[Output] = "value"

    def predict(self, margins: Margins) -> Predictions:
        with np.errstate(over="ignore", under="ignore"):
            wide: Predictions = np.exp(margins.astype(np.float64)).astype(np.float32)
        return wide


class Sorted(Objective):
    """The margins of a row in rising order: quantiles that do not cross."""

    output: ClassVar[Output] = "value"

    def predict(self, margins: Margins) -> Predictions:
        return np.sort(margins, axis=1)


class Expectiles(Objective):
    """The first margin, and on top of it what each further one adds, which is positive."""

    output: ClassVar[Output] = "value"
    uses_expf: ClassVar[bool] = True

    def predict(self, margins: Margins) -> Predictions:
        steps = margins.copy()
        with np.errstate(invalid="ignore", over="ignore"):
            steps[:, 1:] = np.float32(LEAST_STEP) + softplus(margins[:, 1:])
            result: Predictions = np.cumsum(steps, axis=1, dtype=np.float32)
        return result
