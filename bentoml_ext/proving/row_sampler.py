"""Row sampler: rows on every split, at the ends of float32, and at random."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from bentoml_ext.arrays import Rows
from bentoml_ext.boosters.ensemble import Ensemble, Floats, Ints, Trees

__all__ = ["BATCHES", "EXTREMES", "MAX_SPLITS", "Sampler"]

BATCHES: Final = (1, 2, 7, 50, 51, 64, 127, 128, 129, 1000)
"""First sizes of the batches of random rows: ONNX Runtime's kernel changes its ways among them."""

CHUNK: Final = 8192
"""Rows that are asked at once, at most; wide ones by `block_rows`."""

MAX_SPLITS: Final = 20_000
"""Upper limit on splits with boundary rows; a larger model gets a random sample of its splits."""

_BLOCK_CELLS: Final = 2_000_000
# Upper limit on the cells of a part: a model of 100 columns just fits. A wider model gets fewer
# rows, so that a proof takes a minute and not hours; its structure is compared node by node.
_PART_CELLS: Final = 10_000_000
_FEWEST: Final = 1_000

_MAX: Final = float(np.finfo(np.float32).max)

EXTREMES: Final = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 1.1754944e-38, _MAX, -_MAX], np.float32
)
"""Missing, infinities, both zeros, denormals, the smallest normal and the largest numbers."""


def block_rows(n_features: int) -> int:
    """Number of rows of this width that are scored at once, in bounded memory."""
    return max(1, min(CHUNK, _BLOCK_CELLS // n_features))


class Sampler:
    """Makes rows for one ensemble; the same ones for the same seed.

    Args:
        ensemble: its thresholds show the ranges of its training data.
        seed: of the random generator.
    """

    def __init__(self, ensemble: Ensemble, seed: int = 0) -> None:
        self.n_features = ensemble.n_features
        self.trees = ensemble.model if isinstance(ensemble.model, Trees) else None
        self.random = np.random.default_rng(seed)
        self.known = _known(ensemble)
        inner = np.zeros(0, np.int64)
        if self.trees is not None:
            inner = np.flatnonzero(~self.trees.is_leaf)
        self.n_splits = len(inner)
        most = min(MAX_SPLITS, max(_FEWEST, _PART_CELLS // (4 * self.n_features)))
        if len(inner) > most:
            inner = np.sort(self.random.choice(inner, most, replace=False))
        self.splits: Ints = inner
        """int64: the nodes that get boundary rows, as index into the trees' arrays."""

        low, high, count = (
            np.array([pick(one) for one in self.known], np.float64)
            for pick in (lambda one: one[0], lambda one: one[-1], len)
        )
        # Beyond the outermost thresholds too; a single one is mostly that of a 0 or 1.
        room = np.where(high > low, (high - low) / 4, np.maximum(np.abs(low), 1.0))
        self._low, self._high = np.maximum(low - room, -_MAX), np.minimum(high + room, _MAX)
        self._count = count.astype(np.int64)
        self._first = np.cumsum(self._count) - self._count
        self._all = np.concatenate(self.known)

    def column(self, feature: int, n: int) -> Floats:
        """float32, (n,): values over the feature's training range, some on a threshold."""
        return self._drawn(np.array([feature]), n)[:, 0]

    def sensible(self, n: int) -> Rows:
        """Rows of finite values over the training ranges: float32, (n, n_features)."""
        rows = np.empty((n, self.n_features), np.float32)
        # Some columns at once: each intermediate array has as many cells as a block.
        step = max(1, _BLOCK_CELLS // max(n, 1))
        for start in range(0, self.n_features, step):
            features = np.arange(start, min(start + step, self.n_features))
            rows[:, features] = self._drawn(features, n)
        return rows

    def _drawn(self, features: Ints, n: int) -> Floats:
        """float32, (n, len(features))."""
        shape = (n, len(features))
        wide = self.random.uniform(self._low[features], self._high[features], shape)
        values = wide.astype(np.float32)
        on = self.random.random(shape, np.float32)
        count = self._count[features]
        at = (self.random.random(shape, np.float32) * count).astype(np.int64)
        picked = self._all[self._first[features] + np.minimum(at, count - 1)]
        values = np.where(on < 0.25, picked, values)
        with np.errstate(over="ignore", under="ignore"):
            values = np.where(on < 0.1, np.nextafter(picked, np.float32(-np.inf)), values)
        # Zero and one are what a category's column holds, and whole numbers what most others do.
        values = np.where((on > 0.6) & (on < 0.8), np.rint(values), values)
        return np.where((count <= 2) & (on > 0.8), (on > 0.9).astype(np.float32), values)

    def count_random(self, n: int) -> int:
        """How many random rows there are where `n` are wanted: fewer of very wide ones."""
        return min(n, max(_FEWEST, _PART_CELLS // self.n_features))

    def count(self, n: int) -> int:
        """Boundary rows, and random ones where `n` are wanted."""
        return 4 * len(self.splits) + self.count_random(n)

    def random_rows(self, n: int) -> Iterator[Rows]:
        """`count_random(n)` rows in batches of many sizes; every twentieth value is missing."""
        sizes, block = iter(BATCHES), block_rows(self.n_features)
        n = self.count_random(n)
        while n > 0:
            size = min(next(sizes, block), n)
            rows = self.sensible(size)
            rows[self.random.random(rows.shape, np.float32) < 0.05] = np.nan
            yield rows
            n -= size

    def extremes(self) -> Iterator[Rows]:
        """Each extreme in each column alone, and in all of them at once.

        Of very many columns, a choice of those that trees split on, another for each extreme.
        """
        columns = np.arange(self.n_features)
        most = max(_FEWEST // 2, _BLOCK_CELLS // self.n_features)
        if self.n_features > most and self.trees is not None:
            columns = np.unique(self.trees.feature[~self.trees.is_leaf])
        for value in EXTREMES:
            if len(columns) > most:
                some = np.sort(self.random.choice(columns, most, replace=False))
            else:
                some = columns
            rows = self.sensible(len(some) + 1)
            rows[np.arange(len(some)), some] = value
            rows[-1] = value
            yield rows

    def boundary(self) -> Iterator[Rows]:
        """Rows that reach each split and stand on it.

        Four rows for each of `splits`; each goes from the root to that node. They hold its
        threshold, the float32 numbers below and above it, and missing. For a node that asks for
        codes: one that is listed, one that is not, one beyond all, and missing.
        """
        block = max(1, block_rows(self.n_features) // 4)
        for start in range(0, len(self.splits), block):
            yield self._on_splits(self.splits[start : start + block])

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
        """float32, (len(node), n_features): rows that reach these nodes."""
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
            most, least = _sides(threshold, trees.goes_left)
            high[cell] = np.where(left, np.minimum(high[cell], most), high[cell])
            low[cell] = np.where(left, low[cell], np.maximum(low[cell], least))
            for at in np.flatnonzero(trees.categorical[above]):
                codes = trees.codes[trees.first_code[above[at]] : trees.first_code[above[at] + 1]]
                # A negative number is not a code, and goes left.
                fixed[each[at], feature[at]] = -1 if left[at] or not len(codes) else codes[0]
            below = above
        rows = np.clip(self.sensible(len(node)), low, high)
        return np.where(np.isnan(fixed), rows, fixed)


def _known(ensemble: Ensemble) -> list[Floats]:
    """By feature, float32, rising: its thresholds or its codes; without any, 0 and 1."""
    values = [np.array([0, 1], np.float32)] * ensemble.n_features
    trees = ensemble.model
    if not isinstance(trees, Trees):
        return values
    numeric = np.flatnonzero(~trees.is_leaf & ~trees.categorical & np.isfinite(trees.threshold))
    coded = np.repeat(trees.categorical, np.diff(trees.first_code))
    feature_of_code = np.repeat(trees.feature, np.diff(trees.first_code))
    pairs = np.unique(
        np.stack(
            [
                np.concatenate([trees.feature[numeric], feature_of_code[coded]]).astype(np.float64),
                np.concatenate([trees.threshold[numeric], trees.codes[coded].astype(np.float32)]),
            ],
            axis=1,
        ),
        axis=0,
    )
    if not len(pairs):
        return values
    feature = pairs[:, 0].astype(np.int64)
    start = np.flatnonzero(np.diff(feature, prepend=-1))
    for first, part in zip(start, np.split(pairs[:, 1].astype(np.float32), start[1:]), strict=True):
        values[feature[first]] = part
    return values


def _sides(threshold: Floats, goes_left: str) -> tuple[Floats, Floats]:
    """float32, as `threshold`: the largest value that goes left, and the smallest that does not."""
    with np.errstate(over="ignore", under="ignore"):
        if goes_left == "<":
            return np.nextafter(threshold, np.float32(-np.inf)), threshold
        return threshold, np.nextafter(threshold, np.float32(np.inf))


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
