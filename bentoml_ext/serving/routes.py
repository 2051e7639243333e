"""Routes: the names under which a service answers applications."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["BATCH", "DECIDING", "MAX_BATCH", "NAMES", "SINGLE", "UNDECIDED", "method_of", "path_of"]

MAX_BATCH: Final = 10_000
"""Applications in one request for many."""

DECIDING: Final = ("classify", "classify_batch")
"""Names that a model with a decision answers to."""

SINGLE: Final = ("predict", "classify")
BATCH: Final = ("predict_batch", "classify_batch")
NAMES: Final = (*SINGLE, *BATCH)
UNDECIDED: Final = tuple(name for name in NAMES if name not in DECIDING)
"""Names that every model answers to."""


def method_of(slot: str, name: str) -> str:
    """Name of the API method for a route; a model's name may hold what no method's name may.

    Args:
        slot, name: as of `path_of`.
    """
    return re.sub(r"\W", "_", f"{slot}_{name}") if slot else name


def path_of(slot: str, name: str) -> str:
    """A path in a service, without its first slash.

    Args:
        slot: name of a model among several; empty for a service's only model.
        name: of the route.
    """
    return f"{slot}/{name}" if slot else name
