"""Draws: seeded chance in whole numbers, so that every machine draws the same.

Floating point would not do: a fused multiply-add or another C library's `exp` moves a last bit, and
a rounding then moves an application. Here only the raw stream of PCG64 and integer arithmetic are
used; NumPy guarantees the first (NEP 19) and a machine the second.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Draws", "Whole"]

Whole: TypeAlias = npt.NDArray[np.int64]
"""int64, (n,)."""

_BITS: Final = 32


class Draws:
    """Independent streams of chance, one per name, for the rows from `start` to `start + n`.

    A row draws the same whatever `start` and `n` are, so that a long table can be made in parts.

    Args:
        seed: not negative.
        n: rows.
        start: number of the first row.
    """

    def __init__(self, seed: int, n: int, start: int = 0) -> None:
        self._seed, self._n, self._start = seed, n, start

    def level(self, name: str) -> Whole:
        """Uniform whole numbers from 0 to 2**32 - 1, one per row."""
        stream = self._stream(name)
        stream.advance(self._start)
        raw: npt.NDArray[np.uint64] = stream.random_raw(self._n)
        return (raw >> np.uint64(64 - _BITS)).astype(np.int64)

    def pick(self, name: str, shares: Sequence[Sequence[int]], group: Whole) -> Whole:
        """Codes from 0, with the shares that stand in the row's group.

        Args:
            name: the stream.
            shares: one line per group, each of the same length, relative to the line's own sum.
            group: which line a row uses.
        """
        table = np.cumsum(np.array(shares, dtype=np.int64), axis=1)
        limits = (table[:, :-1] << _BITS) // table[:, -1:]
        level = self.level(name)
        codes = np.zeros(self._n, dtype=np.int64)
        for limit in limits.T:
            codes += level >= limit[group]
        return codes

    def along(self, name: str, curves: Sequence[Sequence[int]], group: Whole | int = 0) -> Whole:
        """Values spread along a curve of equally spaced quantiles, straight between them.

        Args:
            name: the stream.
            curves: one line per group, from the smallest value to the largest, all of one length.
            group: which line a row uses.
        """
        table = np.array(curves, dtype=np.int64)
        position = self.level(name) * (table.shape[1] - 1)
        below, part = position >> _BITS, position & ((1 << _BITS) - 1)
        low = table[group, below]
        values: Whole = low + ((table[group, below + 1] - low) * part >> _BITS)
        return values

    def chance(self, name: str, per_mille: Whole) -> npt.NDArray[np.bool_]:
        """True in so many rows of a thousand."""
        happens: npt.NDArray[np.bool_] = self.level(name) * 1000 < per_mille << _BITS
        return happens

    def every(self, name: str, rows: int) -> npt.NDArray[np.bool_]:
        """True in exactly one of every `rows` rows: what is rare, and must still be there."""
        first = int(self._stream(name).random_raw()) % rows
        return np.asarray(np.arange(self._start, self._start + self._n) % rows == first)

    def _stream(self, name: str) -> np.random.PCG64:
        return np.random.PCG64(np.random.SeedSequence((self._seed, zlib.crc32(name.encode()))))
