"""Calibration: whether as many are bad in each band as the probability says."""

from __future__ import annotations

import msgspec

from bentoml_ext.compare.interval import Interval, wilson
from bentoml_ext.compare.scored import Scored

__all__ = ["BandCalibration", "calibration"]


class BandCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """One band of a version.

    Args:
        answer: of the band.
        known: applications in it whose outcome is known.
        expected: their mean probability; None of nobody.
        observed: their bad rate with Wilson's interval; None of nobody.
    """

    answer: str
    known: int
    expected: float | None
    observed: Interval | None

    @property
    def holds(self) -> bool:
        """Whether the mean probability lies within the interval of the bad rate."""
        if self.observed is None or self.expected is None:
            return True
        return self.observed.low <= self.expected <= self.observed.high


def calibration(scored: Scored) -> list[BandCalibration]:
    """A line for each band, that of the lowest probability first."""
    found = []
    for band, answer in enumerate(scored.statuses):
        which = (scored.bands == band) & scored.is_known
        known = int(which.sum())
        found.append(
            BandCalibration(
                answer=answer,
                known=known,
                expected=float(scored.probabilities[which].mean(dtype=float)) if known else None,
                observed=wilson(int((which & scored.is_bad).sum()), known),
            )
        )
    return found
