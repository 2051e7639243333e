"""Coverage: the few hundred rows that are stored with a model, among them one for every leaf."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from bentoml_ext.arrays import Rows
from bentoml_ext.boosters import reference
from bentoml_ext.boosters.base import Oracle
from bentoml_ext.boosters.ensemble import Ensemble, Trees
from bentoml_ext.proof.stored_rows import ProofRows
from bentoml_ext.proving.row_sampler import Sampler

__all__ = ["STORED_ROWS", "proof_rows"]

STORED_ROWS: Final = 320
"""Number of stored rows: few enough that a worker scores them within milliseconds at its start."""

_EXTREMES: Final = 64
_APPLICATIONS: Final = 64
# Upper limit on rows x trees for the lookup of leaves, about one second.
_LOOKUPS: Final = 1_500_000
_CELLS: Final = 10_000_000


def proof_rows(
    oracle: Oracle, sampler: Sampler, ensemble: Ensemble, applications: Rows
) -> ProofRows:
    """Rows for the self-test of a server, with the booster's answers.

    Extremes, made-up applications, and rows on splits. Together they reach every leaf of every
    tree, as far as `STORED_ROWS` allows.

    Args:
        oracle: the booster.
        sampler: of its thresholds.
        ensemble: what it adds up.
        applications: rows of made-up ones; real ones do not belong into a bundle.
    """
    extremes = _asked(oracle, np.concatenate(list(sampler.extremes())))
    certain = np.concatenate([_some(extremes, _EXTREMES), _some(applications, _APPLICATIONS)])
    rows = np.concatenate([certain, _asked(oracle, _covering(sampler, ensemble, certain))])
    rows = np.ascontiguousarray(rows, np.float32)
    truth = oracle.truth(rows)
    return ProofRows(rows, truth.margins, truth.served)


def _asked(oracle: Oracle, rows: Rows) -> Rows:
    """The rows that the oracle takes: a threshold, too, may be infinite."""
    return rows if oracle.takes_infinities else rows[~np.isinf(rows).any(axis=1)]


def _some(rows: Rows, count: int) -> Rows:
    """Evenly spread, the last one among them."""
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64)]


def _covering(sampler: Sampler, ensemble: Ensemble, certain: Rows) -> Rows:
    """Rows on splits: first the rows that reach a new leaf, then others."""
    room = STORED_ROWS - len(certain)
    trees = ensemble.model
    if not isinstance(trees, Trees) or not len(sampler.splits):
        return sampler.sensible(room)
    wanted = max(min(_LOOKUPS // len(trees), _CELLS // sampler.n_features), room)
    share = wanted / (4 * len(sampler.splits))
    parts = []
    for block in sampler.boundary():
        some = sampler.random.permutation(len(block))[: math.ceil(share * len(block))]
        parts.append(block[some])
    candidates = np.concatenate(parts)
    candidates = candidates[sampler.random.permutation(len(candidates))]
    seen = np.zeros(len(trees.left), np.bool_)
    seen[reference.leaves(trees, certain)] = True
    kept: list[int] = []
    others: list[int] = []
    for index, leaves in enumerate(reference.leaves(trees, candidates)):
        if len(kept) < room and not seen[leaves].all():
            seen[leaves] = True
            kept.append(index)
        else:
            others.append(index)
    return candidates[(kept + others)[:room]]
