"""Rounds: the boosting rounds of a booster that count, where its training stopped early."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xgboost

__all__ = ["best_rounds", "counting"]


def best_rounds(booster: xgboost.Booster) -> int | None:
    """Rounds up to the best iteration; None if no round lies behind it, so that all count.

    All rounds of gblinear count: they are one set of weights, and XGBoost predicts by all of them
    whatever it is asked for.
    """
    best = booster.attr("best_iteration")
    if best is None or int(best) + 1 >= booster.num_boosted_rounds() or _is_linear(booster):
        return None
    return int(best) + 1


def counting(booster: xgboost.Booster, rounds: str | None) -> xgboost.Booster:
    """The booster with the rounds that count.

    Args:
        booster: with all of its rounds.
        rounds: "best" leaves out those behind the best iteration; anything else none.
    """
    best = best_rounds(booster) if rounds == "best" else None
    return booster if best is None else booster[:best]


def _is_linear(booster: xgboost.Booster) -> bool:
    config = json.loads(booster.save_config())
    return bool(config["learner"]["gradient_booster"]["name"] == "gblinear")
