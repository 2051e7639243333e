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
    auc, ks = (
        _paired(measure(champion, is_bad), measure(challenger, is_bad)) for measure in (_auc, _ks)
    )
    return _ranking(is_bad, auc, ks)


def separate(first: Floats, first_bad: Bools, second: Floats, second_bad: Bools) -> Ranking | None:
    """The same of one score on the rows of two files; `bads` and `goods` are the first's."""
    if min(_fewest(first_bad), _fewest(second_bad)) < FEWEST:
        return None
    auc, ks = (
        _unpaired(measure(first, first_bad), measure(second, second_bad)) for measure in (_auc, _ks)
    )
    return _ranking(first_bad, auc, ks)


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


def _auc(score: Floats, is_bad: Bools) -> _Parts:
    """By midranks, as in Sun and Xu, "Fast implementation of DeLong's algorithm", 2014."""
    from scipy.stats import rankdata  # type: ignore[import-untyped]
    from sklearn.metrics import roc_auc_score

    bads, goods = score[is_bad], score[~is_bad]
    ranks = rankdata(score)
    above = (ranks[is_bad] - rankdata(bads)) / len(goods)
    below = 1 - (ranks[~is_bad] - rankdata(goods)) / len(bads)
    return _Parts(float(roc_auc_score(is_bad, score)), above, below)


def _ks(score: Floats, is_bad: Bools) -> _Parts:
    from sklearn.metrics import roc_curve

    false, true, cuts = roc_curve(is_bad, score, drop_intermediate=False)
    at: Any = int(np.argmax(true - false))
    # The choice of the cut-off adds nothing of first order to the variance.
    over = (score >= cuts[at]).astype(np.float64)
    return _Parts(float(true[at] - false[at]), over[is_bad], over[~is_bad])


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
