"""Origin: the source of an imported model, and what it was read by."""

from __future__ import annotations

import msgspec

__all__ = ["Assumption", "Origin"]


class Assumption(msgspec.Struct, frozen=True):
    """One thing that a source was read by.

    Args:
        part: what of the model it is about.
        read_as: how it was read.
        why: whose word that is.
    """

    part: str
    read_as: str
    why: str


class Origin(msgspec.Struct, frozen=True):
    """The source of an imported model.

    Args:
        source: file or tag, as it was named.
        sha256: checksum of the booster's file.
        trees: that were in it; the manifest's `n_trees` of them count.
        reading: how it was read, as options of `bentoml ext import`.
        assumptions: the same part by part, and whose word each is.
        xgboost: version that wrote the booster's file.
    """

    source: str
    sha256: str
    trees: int
    reading: str
    assumptions: list[Assumption]
    xgboost: str = ""
