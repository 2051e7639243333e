"""Native sum: the XGBoost call that gives a booster's margins in its own order of addition.

Up to XGBoost 3.2 a booster of dart adds otherwise in place than by way of a DMatrix. A scikit-learn
estimator predicts in place, so its booster carries a mark by which every form of it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import xgboost

__all__ = ["adds_in_place", "as_its_estimator"]

ATTRIBUTE: Final = "bentoml_ext_sum"
IN_PLACE: Final = "in place"


def adds_in_place(booster: xgboost.Booster) -> bool:
    """Whether the booster is marked to add as `Booster.inplace_predict` does."""
    return booster.attr(ATTRIBUTE) == IN_PLACE


def as_its_estimator(booster: xgboost.Booster, estimator: str | None) -> xgboost.Booster:
    """A copy of an estimator's booster that is marked to add as the estimator does.

    Args:
        booster: of the estimator.
        estimator: what the estimator calls its booster; all but dart add in one way alone.
    """
    if estimator != "dart":
        return booster
    marked = booster.copy()
    marked.set_attr(**{ATTRIBUTE: IN_PLACE})
    return marked
