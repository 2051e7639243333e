"""Rounds: the boosting rounds of a booster that count, where its training stopped early."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bentoml_ext.errors import ExportRefused

if TYPE_CHECKING:
    import xgboost

__all__ = ["best_rounds", "check_whole", "counting"]


def best_rounds(booster: xgboost.Booster) -> int | None:
    """Rounds up to the best iteration; None if no round lies behind it, so that all count.

    All rounds of gblinear count: they are one set of weights, and XGBoost predicts by all of them
    whatever it is asked for.
    """
    best = booster.attr("best_iteration")
    # No round is 0 to XGBoost's `iteration_range`, which then means all.
    if best is None or not 0 <= int(best) < booster.num_boosted_rounds() - 1:
        return None
    return None if _is_linear(booster) else int(best) + 1


def check_whole(booster: xgboost.Booster) -> None:
    """Refuse the booster of an estimator that lacks its best round: its own predict fails.

    Raises:
        ExportRefused: says how many rounds there are.
    """
    best, rounds = booster.attr("best_iteration"), booster.num_boosted_rounds()
    if best is not None and int(best) >= rounds and not _is_linear(booster):
        raise ExportRefused(
            f"Expected at least {int(best) + 1} rounds, got {rounds} - at the estimator's booster. "
            "Hand over the booster itself, whose predict takes all of them."
        )


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
