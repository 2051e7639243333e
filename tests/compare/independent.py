"""Independent: the figures of two versions by plain counting, without a line of the package.

Rows are (champion, challenger, is_bad): probabilities and the outcome. Slow and simple on purpose.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean, variance

__all__ = [
    "CHI_SQUARED_9",
    "auc",
    "curve",
    "delong_gap",
    "ks",
    "psi_of_tenths",
    "same_approval_rate",
    "swap_counts",
    "wilson",
]

Z = 1.959963984540054
CHI_SQUARED_9 = 16.918977604620448
"""95th percentile of chi-squared with 9 degrees, from a printed table."""

Cut = Callable[[float], int]


def swap_counts(
    before: Sequence[float], after: Sequence[float], is_bad: Sequence[bool], cut: Cut
) -> dict[tuple[int, int], tuple[int, int]]:
    """By both bands, the count and the bads of it."""
    pairs = [(cut(one), cut(other)) for one, other in zip(before, after, strict=True)]
    every = Counter(pairs)
    bads = Counter(pair for pair, bad in zip(pairs, is_bad, strict=True) if bad)
    return {pair: (count, bads[pair]) for pair, count in every.items()}


def above(score: float, other: float) -> float:
    return 1.0 if score > other else 0.5 if score == other else 0.0


def auc(score: Sequence[float], is_bad: Sequence[bool]) -> float:
    """Of every pair of a bad and a good one, the share with the bad one above."""
    bads, goods = parted(score, is_bad)
    return fmean(above(bad, good) for bad in bads for good in goods)


def ks(score: Sequence[float], is_bad: Sequence[bool]) -> float:
    """The largest distance of the two shares from any score on."""
    bads, goods = parted(score, is_bad)
    gaps = [
        fmean(bad >= cut for bad in bads) - fmean(good >= cut for good in goods)
        for cut in set(score)
    ]
    return max(gaps)


def delong_gap(
    before: Sequence[float], after: Sequence[float], is_bad: Sequence[bool]
) -> tuple[float, float, float]:
    """The difference of two AUC with DeLong's paired interval, by every pair."""
    placed = []
    for score in (before, after):
        bads, goods = parted(score, is_bad)
        placed.append(
            (
                [fmean(above(bad, good) for good in goods) for bad in bads],
                [fmean(above(bad, good) for bad in bads) for good in goods],
            )
        )
    (bads, goods), (later_bads, later_goods) = placed
    gap = fmean(later_bads) - fmean(bads)
    squares = [
        variance([later - first for first, later in zip(one, other, strict=True)]) / len(one)
        for one, other in ((bads, later_bads), (goods, later_goods))
    ]
    half = Z * math.sqrt(sum(squares))
    return gap, gap - half, gap + half


def curve(score: Sequence[float], is_bad: Sequence[bool], cut: float) -> tuple[float, float]:
    """The approval rate and the bad rate of all up to a score."""
    approved = [bad for one, bad in zip(score, is_bad, strict=True) if one <= cut]
    return len(approved) / len(score), sum(approved) / len(approved)


def same_approval_rate(
    before: Sequence[float], after: Sequence[float], is_bad: Sequence[bool], limit: float
) -> tuple[int, int, int]:
    """Swapped in, swapped out and bads, if the challenger approves as many as the champion."""
    wanted = sum(one <= limit for one in before)
    cut = min(set(after), key=lambda cut: (abs(sum(one <= cut for one in after) - wanted), cut))
    sides = [(one <= limit, other <= cut) for one, other in zip(before, after, strict=True)]
    bads = sum(bad for (_, now), bad in zip(sides, is_bad, strict=True) if now)
    return sides.count((False, True)), sides.count((True, False)), bads


def psi_of_tenths(before: Sequence[float], after: Sequence[float]) -> tuple[float, float]:
    """The index by tenths of the first, and what 5 % of equal samples exceed."""
    rising = sorted(before)
    edges = [rising[tenth * (len(rising) - 1) // 10] for tenth in range(1, 10)]
    shares = []
    for score in (before, after):
        places = Counter(sum(edge <= one for edge in edges) for one in score)
        shares.append([(places[place] or 0.5) / len(score) for place in range(10)])
    index = sum((q - p) * math.log(q / p) for p, q in zip(*shares, strict=True))
    return index, CHI_SQUARED_9 * (1 / len(before) + 1 / len(after))


def wilson(count: int, of: int) -> tuple[float, float]:
    share, scale = count / of, 1 + Z * Z / of
    middle = (share + Z * Z / (2 * of)) / scale
    half = Z / scale * math.sqrt(share * (1 - share) / of + Z * Z / (4 * of * of))
    return middle - half, middle + half


def parted(score: Sequence[float], is_bad: Sequence[bool]) -> tuple[list[float], list[float]]:
    pairs = list(zip(score, is_bad, strict=True))
    return [one for one, bad in pairs if bad], [one for one, bad in pairs if not bad]
