"""Base: the contract of an objective, which makes predictions of margins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from bentoml_ext.arrays import Margins, Predictions

__all__ = ["Count", "Objective", "Output"]

Output: TypeAlias = Literal["probability", "value", "classes"]
"""What a prediction is: a probability, a value of the target's own scale, or something of a class:
its index, or a probability for each."""

Count: TypeAlias = Literal["one", "targets", "classes"]
"""How many margins a row has: one, one or one for each target or level, or one for each class."""


class Objective(ABC):
    """One of XGBoost's objectives, in numpy alone.

    A class says what its predictions are:

    - `output`: what one is, as `Output`.
    - `count`: how many margins a row has, as `Count`.
    - `uses_expf`: whether it takes the C library's exponential, which others may have otherwise.

    Args:
        name: XGBoost's, as "reg:squarederror".
    """

    output: ClassVar[Output]
    count: ClassVar[Count] = "targets"
    uses_expf: ClassVar[bool] = False
    predicts_margins: bool = False
    """Whether `Booster.predict` gives the margin, and another prediction is served."""

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def predict(self, margins: Margins) -> Predictions:
        """What `Booster.predict` gives, bit for bit.

        Args:
            margins: float32, (n, n_margins); infinities allowed, NaN gives what it gives XGBoost.
                Read only.

        Returns:
            float32, (n, m), of the caller's own.
        """

    def served(self, margins: Margins) -> Predictions:
        """The predictions that answers and decisions are made of: those of `predict`."""
        return self.predict(margins)

    def served_one(self, margins: Margins) -> list[float]:
        """The predictions of one row as `served` has them, soon.

        Args:
            margins: float32, (1, n_margins), without NaN. Read only.

        Returns:
            float32 values.
        """
        found: list[float] = self.served(margins)[0].tolist()
        return found

    def width(self, n_margins: int) -> int:
        """How many predictions a row with so many margins has."""
        none: Predictions = np.empty((0, n_margins), np.float32)
        return int(self.served(none).shape[1])

    def crossing(self, bound: float) -> float | None:
        """The smallest float32 margin whose prediction is above `bound`, compared in float32.

        Args:
            bound: of predictions.

        Returns:
            None where predictions do not rise with one margin, so that no bands can be cut.

        Raises:
            ValueError: no margin's prediction is above.
        """
        return None
