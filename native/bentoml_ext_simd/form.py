"""Form: a booster becomes a file of trees, read back node by node before it is given out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bentoml_ext.boosters.ensemble import NAN_MISSING, Ensemble, Linear, Trees
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.errors import ExportRefused
from bentoml_ext_simd.packing import pack
from bentoml_ext_simd.reading import check_same

if TYPE_CHECKING:
    import xgboost

__all__ = ["TreesForm", "packed"]


class TreesForm:
    """Trees as plain arrays."""

    filename = "trees.simd"

    def write(self, booster: xgboost.Booster) -> bytes:
        """See `Form.write`."""
        return packed(read(booster)[1])


def packed(ensemble: Ensemble) -> bytes:
    """The file of an ensemble.

    Raises:
        ExportRefused: the kernel does not add this ensemble up.
    """
    trees = ensemble.model
    if isinstance(trees, Linear):
        raise ExportRefused("Expected trees, got the weights of gblinear - at the form trees.simd.")
    _check_kind(ensemble, trees)
    data = pack(ensemble, trees)
    check_same(data, ensemble, trees)
    return data


def _check_kind(ensemble: Ensemble, trees: Trees) -> None:
    """Refuse comparisons, sums and missing values that the kernel does not have."""
    if ensemble.dtype != np.float32 or trees.goes_left != "<":
        raise ExportRefused(
            f"Expected trees of float32 that split by <, got {ensemble.dtype} and "
            f"{trees.goes_left} - at the form trees.simd."
        )
    if (trees.missing != NAN_MISSING).any():
        raise ExportRefused("Expected NaN alone to be missing, got zero, too - at trees.simd.")
    if np.isnan(trees.threshold[~trees.is_leaf & ~trees.categorical]).any():
        raise ExportRefused("Expected numbers as thresholds, got NaN - at the form trees.simd.")
