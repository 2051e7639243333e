"""Ranking: how well two versions part bad from good, with paired intervals on the same rows."""

from __future__ import annotations

from math import hypot, sqrt
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Bools, Floats
from bentoml_ext.compare.interval import NORMAL, Interval

__all__ = ["METHOD", "SEPARATE", "PairedMeasure", "Ranking", "ranking", "separate"]

METHOD: Final = (
    "95 % intervals of AUC and Gini are DeLong's, of KS those at the cut-off where it is greatest. "
    "Differences are paired, on the same applications."
)

SEPARATE: Final = (
    "95 % intervals of AUC and Gini are DeLong's, of KS those at the cut-off where it is greatest. "
    "Differences are those of two independent files."
)

FEWEST: Final = 2
"""Of bads and of goods: a variance needs two."""

Numbers: TypeAlias = npt.NDArray[np.float64]


class PairedMeasure(msgspec.Struct, frozen=True):
    """A measure of both versions.

    Args:
        champion, challenger: of each.
        difference: challenger less champion, by the same rows.
    """

    champion: Interval
    challenger: Interval
    difference: Interval


class Ranking(msgspec.Struct, frozen=True):
    """How well the scores rank.

    Args:
        bads, goods: known outcomes.
        auc: the chance that a bad one has a higher score than a good one.
        gini: twice the AUC less 1.
        ks: the largest distance between the distributions of bads and goods.
    """

    bads: int
    goods: int
    auc: PairedMeasure
    gini: PairedMeasure
    ks: PairedMeasure


class _Parts(NamedTuple):
    """What each application adds to a measure; its variance is that of these parts."""

    value: float
    bads: Numbers
    goods: Numbers


def ranking(champion: Floats, challenger: Floats, is_bad: Bools) -> Ranking | None:
    """The measures of two scores on the same rows; None with fewer than two bads or goods.

    Args:
        champion, challenger: scores, (n,); higher is worse.
        is_bad: bool, (n,).
    """
    if _fewest(is_bad) < FEWEST:
        return None
    parts = zip(_parts(champion, is_bad), _parts(challenger, is_bad), strict=True)
    return _ranking(is_bad, *(_paired(*pair) for pair in parts))


def separate(first: Floats, first_bad: Bools, second: Floats, second_bad: Bools) -> Ranking | None:
    """The same of one score on the rows of two files; `bads` and `goods` are the first's."""
    if min(_fewest(first_bad), _fewest(second_bad)) < FEWEST:
        return None
    parts = zip(_parts(first, first_bad), _parts(second, second_bad), strict=True)
    return _ranking(first_bad, *(_unpaired(*pair) for pair in parts))


def _fewest(is_bad: Bools) -> int:
    bads = int(is_bad.sum())
    return min(bads, len(is_bad) - bads)


def _ranking(is_bad: Bools, auc: PairedMeasure, ks: PairedMeasure) -> Ranking:
    gini = PairedMeasure(
        *(
            Interval(*(2 * end - shift for end in (one.value, one.low, one.high)))
            for one, shift in ((auc.champion, 1), (auc.challenger, 1), (auc.difference, 0))
        )
    )
    bads = int(is_bad.sum())
    return Ranking(bads, len(is_bad) - bads, auc, gini, ks)


def _parts(score: Floats, is_bad: Bools) -> tuple[_Parts, _Parts]:
    """AUC and KS, of one sort.

    Source:
        Sun and Xu, "Fast implementation of DeLong's algorithm", 2014. The part of a bad one is the
        share of goods below it. That of a good one is the share of bads above it. Ties are halves.
    """
    from sklearn.metrics import auc, roc_curve

    # On rows in order, the sort of `roc_curve` takes one pass.
    order = np.argsort(score, kind="stable")
    rising = score[order]
    false, true, cuts = roc_curve(is_bad[order], rising, drop_intermediate=False)
    # Cuts fall from infinity on; each row has the place of its own.
    step = np.cumsum(np.append(False, rising[1:] != rising[:-1]))
    place = np.empty(len(score), np.int64)
    place[order] = len(cuts) - 1 - step
    below = 1 - (false[1:] + false[:-1]) / 2
    above = (true[1:] + true[:-1]) / 2
    bads, goods = place[is_bad], place[~is_bad]
    at: Any = int(np.argmax(true - false))
    # The choice of the cut-off adds nothing of first order to the variance.
    over = [(group <= at).astype(np.float64) for group in (bads, goods)]
    return (
        _Parts(float(auc(false, true)), below[bads - 1], above[goods - 1]),
        _Parts(float(true[at] - false[at]), *over),
    )


def _paired(champion: _Parts, challenger: _Parts) -> PairedMeasure:
    half = _half(challenger.bads - champion.bads, challenger.goods - champion.goods)
    return _measure(champion, challenger, half)


def _unpaired(first: _Parts, second: _Parts) -> PairedMeasure:
    half = hypot(_half(first.bads, first.goods), _half(second.bads, second.goods))
    return _measure(first, second, half)


def _measure(one: _Parts, other: _Parts, half: float) -> PairedMeasure:
    gap = other.value - one.value
    return PairedMeasure(_bounded(one), _bounded(other), Interval(gap, gap - half, gap + half))


def _bounded(one: _Parts) -> Interval:
    half = _half(one.bads, one.goods)
    return Interval(one.value, max(0.0, one.value - half), min(1.0, one.value + half))


def _half(bads: Numbers, goods: Numbers) -> float:
    """Half of an interval's width."""
    return NORMAL * sqrt(float(bads.var(ddof=1) / len(bads) + goods.var(ddof=1) / len(goods)))
