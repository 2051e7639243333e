"""Rows on which a wrong graph shows: on every split, at the ends of float32, and at random."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from bentoml_ext.arrays import Rows
from bentoml_ext.export.ensemble import Ensemble, Floats, Ints, Trees

__all__ = ["BATCHES", "EXTREMES", "MAX_SPLITS", "Sampler"]

BATCHES: Final = (1, 2, 7, 50, 51, 64, 127, 128, 129, 1000)
"""First sizes of the batches of random rows: ONNX Runtime's kernel changes its ways among them."""

CHUNK: Final = 8192

MAX_SPLITS: Final = 20_000
"""Splits that get boundary rows of their own; of more, a fair choice in which all features are."""

_MAX: Final = float(np.finfo(np.float32).max)

EXTREMES: Final = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 1.1754944e-38, _MAX, -_MAX], np.float32
)
"""Missing, infinities, both zeros, denormals, the smallest normal and the largest numbers."""


class Sampler:
    """Makes rows for one ensemble; the same ones for the same seed.

    Args:
        ensemble: whose thresholds tell the ranges that it was trained on.
        seed: of the random generator.
    """

    def __init__(self, ensemble: Ensemble, seed: int = 0) -> None:
        self.n_features = ensemble.n_features
        self.trees = ensemble.model if isinstance(ensemble.model, Trees) else None
        self.random = np.random.default_rng(seed)
        self.known = [self._known(feature) for feature in range(self.n_features)]
        inner = np.zeros(0, np.int64)
        if self.trees is not None:
            inner = np.flatnonzero(~self.trees.is_leaf)
        self.n_splits = len(inner)
        if len(inner) > MAX_SPLITS:
            inner = np.sort(self.random.choice(inner, MAX_SPLITS, replace=False))
        self.splits: Ints = inner
        """int64: the nodes that get boundary rows, as index into the trees' arrays."""

    def _known(self, feature: int) -> Floats:
        """float32, rising: thresholds of a feature, or its codes; without any, 0 and 1."""
        found = np.zeros(0, np.float32)
        if (trees := self.trees) is not None:
            mine = ~trees.is_leaf & (trees.feature == feature)
            found = np.unique(trees.threshold[mine & ~trees.categorical])
            if (coded := np.flatnonzero(mine & trees.categorical)).size:
                parts = [trees.codes[trees.first_code[i] : trees.first_code[i + 1]] for i in coded]
                found = np.unique(np.concatenate(parts)).astype(np.float32)
        found = found[np.isfinite(found)]
        return found if len(found) else np.array([0, 1], np.float32)

    def column(self, feature: int, n: int) -> Floats:
        """float32, (n,): values over the feature's training range, some on a threshold."""
        known = self.known[feature].astype(np.float64)
        low, high = known[0], known[-1]
        # Beyond the outermost thresholds too; a single one is mostly that of a 0 or 1.
        room = (high - low) / 4 if high > low else max(abs(low), 1.0)
        wide = self.random.uniform(max(low - room, -_MAX), min(high + room, _MAX), n)
        values = wide.astype(np.float32)
        on = self.random.random(n)
        picked = self.random.choice(self.known[feature], n)
        values = np.where(on < 0.25, picked, values)
        with np.errstate(over="ignore", under="ignore"):
            values = np.where(on < 0.1, np.nextafter(picked, np.float32(-np.inf)), values)
        # Zero and one are what a category's column holds, and whole numbers what most others do.
        values = np.where((on > 0.6) & (on < 0.8), np.rint(values), values)
        return np.where(on > 0.8, on > 0.9, values) if len(known) <= 2 else values

    def sensible(self, n: int) -> Rows:
        """Rows of finite values over the training ranges: float32, (n, n_features)."""
        rows = np.empty((n, self.n_features), np.float32)
        for feature in range(self.n_features):
            rows[:, feature] = self.column(feature, n)
        return rows

    def random_rows(self, n: int) -> Iterator[Rows]:
        """`n` rows in batches of many sizes; every twentieth value is missing."""
        sizes = iter(BATCHES)
        while n > 0:
            size = min(next(sizes, CHUNK), n)
            rows = self.sensible(size)
            rows[self.random.random(rows.shape) < 0.05] = np.nan
            yield rows
            n -= size

    def extremes(self) -> Iterator[Rows]:
        """Each extreme in each column alone, and in all of them at once."""
        for value in EXTREMES:
            rows = self.sensible(self.n_features + 1)
            np.fill_diagonal(rows, value)
            rows[-1] = value
            yield rows

    def boundary(self) -> Iterator[Rows]:
        """Rows that come to each split and stand on it.

        Four rows for each of `splits`, all of which go the way from the root to that node: its
        threshold, the float32 numbers below and above it, and missing. For a node that asks for
        codes: one that is listed, one that is not, one beyond all, and missing.
        """
        for start in range(0, len(self.splits), CHUNK // 4):
            yield self._on_splits(self.splits[start : start + CHUNK // 4])

    def _on_splits(self, node: Ints) -> Rows:
        trees = self.trees
        if trees is None:
            return np.zeros((0, self.n_features), np.float32)
        rows = np.repeat(self._on_the_way(trees, node), 4, axis=0)
        threshold = trees.threshold[node]
        with np.errstate(over="ignore", under="ignore"):
            below = np.nextafter(threshold, np.float32(-np.inf))
            above = np.nextafter(threshold, np.float32(np.inf))
        for at in np.flatnonzero(trees.categorical[node]):
            codes = trees.codes[trees.first_code[node[at]] : trees.first_code[node[at] + 1]]
            listed = int(self.random.choice(codes)) if len(codes) else 0
            others = np.setdiff1d(np.arange(int(codes.max(initial=0)) + 2), codes)
            threshold[at], below[at], above[at] = listed, self.random.choice(others), 1e6
        cells = np.stack([threshold, below, above, np.full_like(threshold, np.nan)], axis=1)
        rows[np.arange(len(rows)), np.repeat(trees.feature[node], 4)] = cells.ravel()
        return rows

    def _on_the_way(self, trees: Trees, node: Ints) -> Rows:
        """float32, (len(node), n_features): rows that come to these nodes."""
        parent = _parents(trees)
        low = np.full((len(node), self.n_features), -_MAX, np.float32)
        high = np.full_like(low, _MAX)
        fixed = np.full_like(low, np.nan)
        each = np.arange(len(node))
        below = node
        while (active := parent[below] >= 0).any():
            each, below = each[active], below[active]
            above = parent[below]
            feature, threshold = trees.feature[above], trees.threshold[above]
            left = trees.left[above] + _offset(trees, above) == below
            cell = (each, feature)
            with np.errstate(over="ignore", under="ignore"):
                ceiling = np.nextafter(threshold, np.float32(-np.inf))
            high[cell] = np.where(left, np.minimum(high[cell], ceiling), high[cell])
            low[cell] = np.where(left, low[cell], np.maximum(low[cell], threshold))
            for at in np.flatnonzero(trees.categorical[above]):
                codes = trees.codes[trees.first_code[above[at]] : trees.first_code[above[at] + 1]]
                # Whatever is negative is no code, and goes left.
                fixed[each[at], feature[at]] = -1 if left[at] or not len(codes) else codes[0]
            below = above
        rows = np.clip(self.sensible(len(node)), low, high)
        return np.where(np.isnan(fixed), rows, fixed)


def _offset(trees: Trees, node: Ints) -> Ints:
    """int64: the first node of each node's tree."""
    offset: Ints = trees.first[:-1][trees.tree_of_node[node]]
    return offset


def _parents(trees: Trees) -> Ints:
    """int64, (n_nodes,): index of each node's parent; -1 for a root."""
    parent = np.full(len(trees.left), -1, np.int64)
    inner = np.flatnonzero(~trees.is_leaf)
    offset = _offset(trees, inner)
    parent[trees.left[inner] + offset] = inner
    parent[trees.right[inner] + offset] = inner
    return parent
