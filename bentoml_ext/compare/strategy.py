"""Strategy: the bad rate of those approved, for every approval rate."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from bentoml_ext.compare.scored import Scored

__all__ = ["Curve", "curve"]

POINTS: Final = 100


class Curve(msgspec.Struct, frozen=True):
    """The strategy curve of a version, on the applications whose outcome is known.

    Args:
        approval_rates: shares of the applications, those with the lowest probability first.
        bad_rates: of those approved.
    """

    approval_rates: list[float]
    bad_rates: list[float]


def curve(scored: Scored) -> Curve | None:
    """The curve at each per cent that a cut-off reaches; None where no outcome is known."""
    known = scored.known
    if not len(known.margins):
        return None
    margins, bads = known.margins[known.order], np.cumsum(known.is_bad[known.order])
    # Equal scores are approved together.
    ends = np.flatnonzero(np.append(margins[1:] != margins[:-1], True)) + 1
    wanted = np.arange(1, POINTS + 1) / POINTS * len(margins)
    counts = np.unique(ends[np.minimum(np.searchsorted(ends, wanted), len(ends) - 1)])
    return Curve((counts / len(margins)).tolist(), (bads[counts - 1] / counts).tolist())
