"""Side: one side of a comparison, by itself."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from bentoml_ext.compare.beside import Named
from bentoml_ext.compare.calibration import BandCalibration, calibration
from bentoml_ext.compare.scored import Scored
from bentoml_ext.compare.strategy import Curve, curve

__all__ = ["Side", "amounts_said", "limits"]

FEW: Final = 100
"""Bads or goods below which intervals by the normal distribution are rough."""

BINS: Final = 40


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a comparison: a version on some applications.

    Args:
        name: tag of the version, or name of the file.
        answers: of its policy, that of the lowest probability first.
        cutoffs: probabilities between the answers, rising.
        approval_rate: share that gets the first answer.
        mean_probability: of all.
        calibration: by band.
        curve: the strategy curve; None where no outcome is known.
        histogram: applications in each of `BINS` equal parts of the probability.
    """

    name: str
    answers: list[str]
    cutoffs: list[float]
    approval_rate: float
    mean_probability: float
    calibration: list[BandCalibration]
    curve: Curve | None
    histogram: list[int]

    @classmethod
    def of(cls, name: str, scored: Scored) -> Side:
        """The facts of scored applications; at least one."""
        return cls(
            name=name,
            answers=list(scored.statuses),
            cutoffs=[band.above for band in reversed(scored.decider.policy.bands)],
            approval_rate=float((scored.bands == 0).mean()),
            mean_probability=float(scored.probabilities.mean(dtype=float)),
            calibration=calibration(scored),
            curve=curve(scored),
            histogram=_histogram(scored),
        )


def _histogram(scored: Scored) -> list[int]:
    """Applications in each of `BINS` equal parts of the probability."""
    counts, _ = np.histogram(scored.probabilities, bins=BINS, range=(0, 1))
    return [int(count) for count in counts]


def amounts_said(named: Named, scored: Scored) -> list[str]:
    """Which column the amounts are of, and how many are not given; nothing without amounts."""
    amounts = scored.beside.amounts
    if amounts is None:
        return []
    lacking = int(np.isnan(amounts).sum())
    missing = f" {lacking:,} are not given and count as 0." if lacking else ""
    return [f"Amounts are sums of the column '{named.amount}'.{missing}"]


def limits(scored: Scored, outcome: str) -> list[str]:
    """What the outcomes cannot say, in sentences."""
    if not outcome:
        return ["No outcome was named: nothing says which version ranks better."]
    known, bads = int(scored.is_known.sum()), int(scored.is_bad.sum())
    goods = known - bads
    found = []
    if known < len(scored.margins):
        found.append(f"The outcome is known of {known:,} of {len(scored.margins):,} applications.")
    if known and min(bads, goods) == 0:
        found.append(f"Every known outcome is {'bad' if bads else 'good'}: nothing can be ranked.")
    elif min(bads, goods) < FEW:
        found.append(
            f"{bads:,} bads and {goods:,} goods are few: the intervals are wide, and rough."
        )
    return found
