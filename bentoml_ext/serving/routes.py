"""Routes: the names under which a service answers applications."""

from __future__ import annotations

from typing import Final

__all__ = ["BATCH", "DECIDING", "MAX_BATCH", "NAMES", "SINGLE", "UNDECIDED"]

MAX_BATCH: Final = 10_000
"""Applications in one request for many."""

DECIDING: Final = ("classify", "classify_batch")
"""Names that a model with a decision answers to."""

SINGLE: Final = ("predict", "classify")
BATCH: Final = ("predict_batch", "classify_batch")
NAMES: Final = (*SINGLE, *BATCH)
UNDECIDED: Final = tuple(name for name in NAMES if name not in DECIDING)
"""Names that every model answers to."""
