"""Base: the contract of a family of models, which reads a trained model and asks it for the truth.

XGBoost is the family of this package: `boosters/xgb/family.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from bentoml_ext.arrays import Margins, Probabilities, Rows
from bentoml_ext.boosters.ensemble import Bools, Ensemble, Floats
from bentoml_ext.objectives.base import Objective

__all__ = ["Family", "Oracle", "Truth"]


@dataclass(frozen=True, eq=False)
class Truth:
    """A trained model's own answers to some rows.

    Args:
        margins: (n, n_targets), of the ensemble's dtype.
        predictions: float32, (n, k), what the library's own `predict` gives.
        served: float32, (n, k), what is answered: the predictions; where those are margins, or
            this machine has another expf, those by our own objective.
    """

    margins: Floats
    predictions: Floats
    served: Floats

    def of(self, rows: Bools) -> Truth:
        """The answers to some of the rows."""
        return Truth(self.margins[rows], self.predictions[rows], self.served[rows])


class Oracle(Protocol):
    """A trained model that answers rows by its own library."""

    @property
    def name(self) -> str:
        """The call and the library's version, in words."""

    @property
    def objective(self) -> Objective:
        """Margins to predictions."""

    @property
    def takes_infinities(self) -> bool:
        """Whether rows may hold infinities."""

    @property
    def has_another_expf(self) -> bool:
        """Whether the library's predictions on this machine are not those that are served."""

    @property
    def other_ways(self) -> Mapping[str, Callable[[Rows], Margins]]:
        """By name, other calls of the library that give the same margins; without infinities."""

    def truth(self, rows: Rows) -> Truth:
        """The answers to rows: float32, (n, n_features), n > 0, NaN for missing."""

    def probabilities(self, margins: Margins) -> Probabilities:
        """float32, (n, 1): the library's sigmoid of margins, (n, 1); ours with another expf."""


class Family(Protocol):
    """A library of gradient-boosted or other trees.

    Attributes:
        name: in words, as "XGBoost".
    """

    name: str

    def read(self, model: Any) -> Ensemble:
        """The trees of a trained model, whose sum the library itself confirms.

        Raises:
            ExportRefused: something that the ensemble cannot hold, with the reason.
        """

    def oracle(self, model: Any, ensemble: Ensemble) -> AbstractContextManager[Oracle]:
        """The model as an oracle, for the time of a proof."""
