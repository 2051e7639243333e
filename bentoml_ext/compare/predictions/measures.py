"""Measures: how well predictions fit outcomes, each with what every application adds to it."""

from __future__ import annotations

from collections.abc import Callable
from math import hypot, sqrt
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec
import numpy as np

from bentoml_ext.compare.interval import NORMAL, Interval
from bentoml_ext.compare.predictions.answered import Answered, Numbers
from bentoml_ext.compare.predictions.kind import Kind
from bentoml_ext.compare.ranking import PairedMeasure

__all__ = ["FEWEST", "MEASURES", "Measure", "measures"]

FEWEST: Final = 2
"""Known outcomes, or groups: a variance needs two."""

LEAST_CHANCE: Final = float(np.finfo(np.float32).eps)
"""scikit-learn takes a probability of 0 for this one: log loss stays finite."""

Better: TypeAlias = Literal["higher", "lower"]


class Measure(msgspec.Struct, frozen=True):
    """A measure of both sides.

    Args:
        name: as scikit-learn calls it: "r2", "mae", "rmse", "accuracy", "log_loss", "macro_f1",
            "ndcg".
        better: which figures are good ones.
        figures: of both, with their difference.
    """

    name: str
    better: Better
    figures: PairedMeasure


class _Measured(NamedTuple):
    """A figure, and by how much each application, or each group, moves it (its influence)."""

    value: float
    parts: Numbers


Measuring: TypeAlias = Callable[[Answered, Kind], "_Measured"]


def measures(kind: Kind, first: Answered, second: Answered, *, is_paired: bool) -> list[Measure]:
    """All measures of a kind that the outcomes allow.

    Args:
        kind: of both sides.
        first, second: with known outcomes; row by row the same applications where `is_paired`.
        is_paired: whether the difference is taken row by row, or between two files.
    """
    found = []
    for name, (better, measuring, ends) in MEASURES[kind.task].items():
        if name == "log_loss" and not kind.has_chances:
            continue
        one, other = measuring(first, kind), measuring(second, kind)
        if min(len(one.parts), len(other.parts)) >= FEWEST and np.isfinite(one.value + other.value):
            found.append(Measure(name, better, _figures(one, other, ends, is_paired=is_paired)))
    return found


def _figures(
    one: _Measured, other: _Measured, ends: tuple[float, float], *, is_paired: bool
) -> PairedMeasure:
    gap = other.value - one.value
    half = hypot(_half(one.parts), _half(other.parts))
    if is_paired:
        half = _half(other.parts - one.parts)
    return PairedMeasure(
        _bounded(one, ends), _bounded(other, ends), Interval(gap, gap - half, gap + half)
    )


def _bounded(one: _Measured, ends: tuple[float, float]) -> Interval:
    half = _half(one.parts)
    return Interval(one.value, max(ends[0], one.value - half), min(ends[1], one.value + half))


def _half(parts: Numbers) -> float:
    """Half of an interval's width, by the central limit theorem."""
    return NORMAL * sqrt(float(parts.var(ddof=1)) / len(parts))


def _errors(given: Answered) -> Numbers:
    return given.values.astype(np.float64) - given.outcomes


def _mae(given: Answered, _: Kind) -> _Measured:
    from sklearn.metrics import mean_absolute_error

    if not len(given):
        return _NONE
    return _Measured(
        float(mean_absolute_error(given.outcomes, given.values)), np.abs(_errors(given))
    )


def _rmse(given: Answered, _: Kind) -> _Measured:
    from sklearn.metrics import root_mean_squared_error

    if not len(given):
        return _NONE
    value = float(root_mean_squared_error(given.outcomes, given.values))
    # The root's slope is 1 / (2 RMSE).
    return _Measured(value, _errors(given) ** 2 / (2 * value) if value else 0 * given.outcomes)


def _r2(given: Answered, _: Kind) -> _Measured:
    from sklearn.metrics import r2_score

    around = (given.outcomes - given.outcomes.mean()) ** 2 if len(given) else given.outcomes
    if len(given) < FEWEST or not around.any():
        return _NONE
    spread, squares = around.mean(), _errors(given) ** 2
    value = float(r2_score(given.outcomes, given.values))
    # R2 = 1 - MSE / variance: the slopes are -1 / variance and MSE / variance^2.
    return _Measured(value, -squares / spread + squares.mean() * around / spread**2)


def _accuracy(given: Answered, _: Kind) -> _Measured:
    from sklearn.metrics import accuracy_score

    if not len(given):
        return _NONE
    is_right = given.values == given.outcomes
    return _Measured(float(accuracy_score(given.outcomes, given.values)), is_right.astype(float))


def _log_loss(given: Answered, _: Kind) -> _Measured:
    if not len(given):
        return _NONE
    losses = -np.log(np.clip(given.chances.astype(np.float64), LEAST_CHANCE, 1))
    return _Measured(float(losses.mean()), losses)


def _macro_f1(given: Answered, kind: Kind) -> _Measured:
    from sklearn.metrics import f1_score

    if not len(given):
        return _NONE
    truth, guess = given.outcomes.astype(np.int64), given.values.astype(np.int64)
    most = len(kind.labels)
    # Of the classes that came true; F1 of each is 2 mean(right) / mean(said or true).
    labels = np.unique(truth)
    value = float(f1_score(truth, guess, labels=labels, average="macro", zero_division=0))
    right = np.bincount(truth[truth == guess], minlength=most) / len(given)
    both = (np.bincount(truth, minlength=most) + np.bincount(guess, minlength=most)) / len(given)
    scale = np.zeros(most)
    scale[labels] = 1 / both[labels]
    each = 2 * right * scale * scale
    parts = 2 * (truth == guess) * scale[truth] - each[truth] - each[guess]
    return _Measured(value, parts / len(labels))


def _ndcg(given: Answered, _: Kind) -> _Measured:
    """The mean over groups; a group of one, or without an outcome above 0, has none."""
    from sklearn.metrics import ndcg_score

    order = np.argsort(given.groups, kind="stable")
    ends = np.flatnonzero(np.diff(given.groups[order])) + 1
    found = [
        float(ndcg_score(given.outcomes[rows][None], given.values[rows][None]))
        for rows in np.split(order, ends)
        if len(rows) >= FEWEST and given.outcomes[rows].max() > 0
    ]
    parts = np.array(found)
    return _Measured(float(parts.mean()) if found else float("nan"), parts)


_NONE: Final = _Measured(float("nan"), np.zeros(0))
_ANY: Final = float("inf")

MEASURES: Final[dict[str, dict[str, tuple[Better, Measuring, tuple[float, float]]]]] = {
    "value": {
        "rmse": ("lower", _rmse, (0, _ANY)),
        "mae": ("lower", _mae, (0, _ANY)),
        "r2": ("higher", _r2, (-_ANY, 1)),
    },
    "classes": {
        "accuracy": ("higher", _accuracy, (0, 1)),
        "macro_f1": ("higher", _macro_f1, (0, 1)),
        "log_loss": ("lower", _log_loss, (0, _ANY)),
    },
    "order": {"ndcg": ("higher", _ndcg, (0, 1))},
}
"""By task: which figures are good, how they are made, and their ends; the first one leads."""
