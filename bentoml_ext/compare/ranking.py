"""Ranking: how well two versions part bad from good, with paired intervals on the same rows."""

from __future__ import annotations

from math import sqrt
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Bools, Floats
from bentoml_ext.compare.interval import NORMAL, Interval

__all__ = ["METHOD", "PairedMeasure", "Ranking", "ranking"]

METHOD: Final = (
    "95 % intervals of AUC and Gini are DeLong's, of KS those at the cut-off where it is greatest. "
    "Differences are paired, on the same applications."
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
    bads = int(is_bad.sum())
    if min(bads, len(is_bad) - bads) < FEWEST:
        return None
    auc = _paired(_auc(champion, is_bad), _auc(challenger, is_bad), 0.0)
    ks = _paired(_ks(champion, is_bad), _ks(challenger, is_bad), 0.0)
    gini = PairedMeasure(
        *(
            Interval(*(2 * end - shift for end in (one.value, one.low, one.high)))
            for one, shift in ((auc.champion, 1), (auc.challenger, 1), (auc.difference, 0))
        )
    )
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


def _paired(champion: _Parts, challenger: _Parts, least: float) -> PairedMeasure:
    gap = challenger.value - champion.value
    half = _half(challenger.bads - champion.bads, challenger.goods - champion.goods)
    return PairedMeasure(
        _bounded(champion, least),
        _bounded(challenger, least),
        Interval(gap, gap - half, gap + half),
    )


def _bounded(one: _Parts, least: float) -> Interval:
    half = _half(one.bads, one.goods)
    return Interval(one.value, max(least, one.value - half), min(1.0, one.value + half))


def _half(bads: Numbers, goods: Numbers) -> float:
    """Half of an interval's width."""
    return NORMAL * sqrt(float(bads.var(ddof=1) / len(bads) + goods.var(ddof=1) / len(goods)))
