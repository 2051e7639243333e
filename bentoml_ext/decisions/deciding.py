"""Deciding: the decider of a policy, and the policy of a model that comes without one."""

from __future__ import annotations

from typing import Final

from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.decisions.base import Decider
from bentoml_ext.decisions.policy import Band, Bands, Classes, Policy, Value, ValueBands
from bentoml_ext.decisions.presets import APPROVAL
from bentoml_ext.decisions.value_bands import ValueBandDecider
from bentoml_ext.decisions.worded import ClassDecider, ValueDecider
from bentoml_ext.errors import ConfigError
from bentoml_ext.objectives.base import Objective

__all__ = ["decider_of", "default_policy"]

HALF: Final = 0.5


def decider_of(policy: Policy, objective: Objective, n_margins: int) -> Decider:
    """What makes a policy's answers of a model's margins.

    Args:
        policy: what is answered.
        objective: of the model.
        n_margins: of a row.

    Raises:
        ConfigError: the policy does not fit what the model predicts.
    """
    if isinstance(policy, Value):
        if policy.names and len(policy.names) != (width := objective.width(n_margins)):
            raise _misfit(f"{len(policy.names)} predictions, as it has names", objective, width)
        return ValueDecider(policy, objective, n_margins)
    if isinstance(policy, ValueBands):
        if (width := objective.width(n_margins)) != 1 or objective.output == "classes":
            raise _misfit("one number for bands over a value", objective, width)
        return ValueBandDecider(policy, objective, n_margins)
    is_log_odds = objective.output == "probability" and n_margins == 1
    if isinstance(policy, Bands):
        if not is_log_odds:
            raise _misfit("one log-odds for a policy of bands", objective, n_margins)
        return BandDecider(policy)
    if is_log_odds and len(policy.labels) == 2 and policy.with_probabilities:
        # The second label above one half, as an estimator's own `predict` has it.
        first, second = policy.labels
        return BandDecider(Bands(policy.key, (Band(HALF, second),), first))
    classes = _classes(objective, n_margins)
    if len(policy.labels) != classes:
        raise _misfit(f"{len(policy.labels)} classes, as the policy has labels", objective, classes)
    if policy.with_probabilities and not _has_probabilities(objective, n_margins):
        raise _misfit("a probability for each class", objective, n_margins)
    return ClassDecider(policy, objective, n_margins)


def default_policy(objective: Objective, n_margins: int) -> Policy:
    """The policy of a model that comes without one.

    Of a log-odds the preset bands, of classes their indices as labels, otherwise the prediction.
    """
    if objective.output == "probability" and n_margins == 1:
        return APPROVAL
    if (classes := _classes(objective, n_margins)) < 2:
        return Value()
    return Classes(
        tuple(range(classes)), with_probabilities=_has_probabilities(objective, n_margins)
    )


def _classes(objective: Objective, n_margins: int) -> int:
    """How many classes an objective predicts one of; 0 if it predicts none."""
    if objective.output != "classes":
        return 0
    if objective.count == "classes":
        return n_margins
    # A class of two for each margin: of several margins no single class is predicted.
    return 2 if n_margins == 1 else 0


def _has_probabilities(objective: Objective, n_margins: int) -> bool:
    """Whether a prediction has a column for each class."""
    return objective.count == "classes" and objective.width(n_margins) == n_margins > 1


def _misfit(expected: str, objective: Objective, got: int) -> ConfigError:
    return ConfigError(
        f"Expected {expected}, got {got} of '{objective.name}' - at the policy. Give "
        "Bands for a log-odds, Classes with the labels for several classes, Value or ValueBands "
        "for a number."
    )
