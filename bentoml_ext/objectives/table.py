"""Table: XGBoost's objectives by name; every objective of 3.4 is here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bentoml_ext.errors import ConfigError
from bentoml_ext.objectives.base import Objective
from bentoml_ext.objectives.classes import Hinge, LargestMargin, Softmax
from bentoml_ext.objectives.logistic import Logistic
from bentoml_ext.objectives.values import (
    Expectiles,
    Exponential,
    Identity,
    Sorted,
    WideExponential,
)

__all__ = ["OBJECTIVES", "SINGLE", "SORTED", "log_odds", "objective_of"]

SORTED: Final = "in rising order"
SINGLE: Final = "in float32"
"""Departures of some XGBoosts from an objective's usual way; see `boosters.xgb.transform`."""

_DEPARTURES: Final[dict[str, Callable[[str], Objective]]] = {SORTED: Sorted, SINGLE: Exponential}

_NAMES: Final[dict[Callable[[str], Objective], tuple[str, ...]]] = {
    Logistic: ("binary:logistic", "reg:logistic"),
    Hinge: ("binary:hinge",),
    Softmax: ("multi:softprob",),
    LargestMargin: ("multi:softmax",),
    Exponential: ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox"),
    WideExponential: ("survival:aft",),
    Expectiles: ("reg:expectileerror",),
    Identity: (
        "rank:map",
        "rank:ndcg",
        "rank:pairwise",
        "reg:absoluteerror",
        "reg:linear",
        "reg:pseudohubererror",
        "reg:quantileerror",
        "reg:squarederror",
        "reg:squaredlogerror",
    ),
}

OBJECTIVES: Final[dict[str, Objective]] = {
    name: made(name) for made, names in _NAMES.items() for name in names
} | {"binary:logitraw": Logistic("binary:logitraw", predicts_margins=True)}


def objective_of(name: str, transform: str = "") -> Objective:
    """The objective of a booster.

    Args:
        name: XGBoost's.
        transform: as `Ensemble.transform`.

    Raises:
        ConfigError: no such objective.
    """
    if name not in OBJECTIVES:
        raise ConfigError(
            f"Expected one of {', '.join(sorted(OBJECTIVES))}, got '{name}' - at the objective. "
            "What it makes of a margin is not known."
        )
    return _DEPARTURES[transform](name) if transform else OBJECTIVES[name]


def log_odds() -> list[str]:
    """Names of the objectives whose margin is a log-odds."""
    return [name for name, one in OBJECTIVES.items() if one.output == "probability"]
