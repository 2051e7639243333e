"""Sample: rows that stand for all rows of a file, in bounded memory."""

from __future__ import annotations

from typing import Final

import numpy as np

from bentoml_ext.arrays import Bools, Ints, Rows, block_rows

__all__ = ["Sample"]

MOST: Final = 100_000


class Sample:
    """All rows of a small file; of a large one a uniform sample, the same each time.

    Args:
        width: columns of a row.
    """

    def __init__(self, width: int) -> None:
        self.most = block_rows(width, MOST)
        self.rows: Rows = np.zeros((0, width), np.float32)
        self.places: Ints = np.zeros(0, np.int64)
        self._keys = np.zeros(0)
        self._random = np.random.default_rng(0)

    def add(self, rows: Rows, places: Ints) -> None:
        """Take part of a block.

        Args:
            rows: float32, (n, width).
            places: of these rows in the file, (n,).
        """
        keys = self._random.random(len(rows))
        taken: Bools = np.ones(len(rows), np.bool_)
        if len(self._keys) >= self.most:
            taken = keys < self._keys.max()
        self.rows = np.concatenate([self.rows, rows[taken]])
        self.places = np.concatenate([self.places, places[taken]])
        self._keys = np.concatenate([self._keys, keys[taken]])
        if len(self._keys) > self.most:
            # The rows with the smallest keys of all are a uniform sample of all.
            kept = np.argpartition(self._keys, self.most)[: self.most]
            self.rows, self.places = self.rows[kept], self.places[kept]
            self._keys = self._keys[kept]
