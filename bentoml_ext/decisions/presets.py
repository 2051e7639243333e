"""Presets: bands for a log-odds that comes without a policy of its own.

They are those of the course whose models `bentoml ext import` reads;
docs/decisions/preset-bands.md says why they are here.
"""

from __future__ import annotations

from typing import Final

from bentoml_ext.decisions.policy import Band, Bands

__all__ = ["APPROVAL", "STATUS", "of_threshold"]

STATUS: Final = "Status"
"""Name of the answer."""

APPROVAL: Final = Bands(STATUS, (Band(0.5, "DECLINED"), Band(0.3, "MAYBE")), "APPROVED")


def of_threshold(threshold: float, key: str = STATUS) -> Bands:
    """The policy of a model with one cut-off: DECLINED above it, APPROVED up to it.

    A probability that equals the threshold in float32 is APPROVED.

    Args:
        threshold: a probability between 0 and 1.
        key: name of the answer.

    Raises:
        ConfigError: as `Bands`.
    """
    return Bands(key, (Band(threshold, "DECLINED"),), "APPROVED")
