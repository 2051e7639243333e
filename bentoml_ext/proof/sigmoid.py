"""Sigmoid: our probabilities against their checksum, and against the booster's own library.

Boosters call the C library's expf, and C libraries differ. The probability that is served is that
of glibc's, rebuilt, on every machine; the one of the booster itself is a fact of the machine.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np

from bentoml_ext.arrays import Floats, Predictions, Probabilities, Rows
from bentoml_ext.decisions.base import Decider
from bentoml_ext.objectives.logistic import probabilities, probability
from bentoml_ext.proof.bits import BitComparison
from bentoml_ext.proof.record import SERVICE
from bentoml_ext.proof.reference_decisions import FUSED_ONLY

__all__ = ["compare_checksums", "compare_own", "grid", "own_comparison"]

EXPF_BOUND_ULP: Final = 8
"""Two exponentials within 1.5 ulp of the truth, doubled by a change of binade, and roundings."""

CHECKSUM: Final = "ba95a919186d04a6e48ecead5fc40f3f85369a2993ad4d56200e619c56ae3a91"
"""sha256 of the probabilities of `_grid()`, little endian: glibc's, by XGBoost itself."""

_STEP: Final = 104_729
_SINGLY: Final = 16


def compare_checksums() -> BitComparison:
    """Our probabilities, in a batch and one by one, by the checksum of what they must be."""
    comparison = BitComparison(
        "sigmoid", SERVICE, "our probabilities of margins of all sizes, by checksum"
    )
    margins = grid()
    found = probabilities(margins)
    comparison.texts("checksum of probabilities", [CHECKSUM], [checksum(found)])
    some = margins[::_SINGLY]
    singly = np.array([probability(margin) for margin in some.tolist()], np.float32)
    comparison.compare("probability", found[::_SINGLY], singly)
    comparison.seen(len(margins))
    return comparison


def own_comparison() -> BitComparison:
    """For `compare_own`."""
    note = "XGBoost's own probabilities on this machine, by its C library's expf"
    return BitComparison("expf", "XGBoost", note, EXPF_BOUND_ULP)


def compare_own(
    comparison: BitComparison, decider: Decider, served: Predictions, own: Predictions, rows: Rows
) -> None:
    """Compare XGBoost's own predictions, (n, m), and decisions on them with those served."""
    comparison.compare("prediction", served, own, rows)
    expected, found = (decider.decide(one) for one in (served, own))
    if (text := decider.schema.text) is not None and expected is not None and found is not None:
        comparison.decide(expected, found, text.values, rows)
    comparison.seen(len(rows))


def checksum(found: Probabilities) -> str:
    """sha256 in hex."""
    return hashlib.sha256(found.astype("<f4").tobytes()).hexdigest()


def grid() -> Floats:
    """float32, (n,): some of every binade, many where the probability is neither 0 nor 1."""
    bits = np.arange(0, 2**32, _STEP, dtype=np.uint64).astype(np.uint32)
    everywhere = bits.view(np.float32)
    usual = (np.arange(-100_000, 100_001) / 5_000).astype(np.float32)
    odd = np.array([np.inf, -np.inf, 0.0, -0.0, FUSED_ONLY], np.float32)
    return np.concatenate([everywhere[~np.isnan(everywhere)], usual, odd])
