"""Bits: counts equal bits and texts, the gap of unequal numbers, and decisions that flip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Floats, Ints, Rows
from bentoml_ext.proof.record import Difference, Part

__all__ = ["BitComparison", "gaps", "word_of", "words_of"]


def gaps(expected: Floats, got: Floats) -> Ints:
    """int64, as `expected`: floats between the two; NaN counts as beyond infinity.

    Args:
        expected: float32 or float64.
        got: the same shape and dtype.
    """
    result: Ints = np.abs(_rank(expected) - _rank(got))
    return result


def _rank(values: Floats) -> Ints:
    """int64: every float of this dtype in rising order, -0.0 one below 0.0."""
    bits = np.ascontiguousarray(values).view(f"i{values.itemsize}").astype(np.int64)
    return np.where(
        bits < 0, np.int64(-1) - (bits & np.int64(2 ** (8 * values.itemsize - 1) - 1)), bits
    )


def _words(values: Any) -> Any:
    """An array whose float32 compare by their bits."""
    array = np.asarray(values)
    return array.view(np.uint32) if array.dtype == np.float32 else array


def word_of(value: Any) -> str:
    """A float in hex, which is exact; the text of any other value."""
    return float(value).hex() if isinstance(value, np.floating) else str(value)


def words_of(values: Floats) -> str:
    """Floats in hex, with spaces between."""
    return " ".join(float(value).hex() for value in values)


@dataclass
class BitComparison:
    """Grows into a `Part`.

    Args:
        name: of the part.
        subject: what is judged.
        note: what is compared, in words.
        bound_ulp: of a fact of the machine, as `Part.bound_ulp`.
    """

    name: str
    subject: str
    note: str = ""
    bound_ulp: int | None = None
    rows: int = 0
    compared: int = 0
    equal: int = 0
    gap: int | None = None
    flips: int | None = None
    difference: Difference | None = None
    row: Rows | None = field(default=None, repr=False)
    """The first row that differs, float32, (n_features,)."""

    def compare(self, what: str, expected: Floats, got: Floats, rows: Rows | None = None) -> None:
        """Compare floats of one dtype by their bits.

        Args:
            what: the values are, in words.
            expected: (n, ...).
            got: the same shape; another is a difference.
            rows: (n, n_features), that they are of; None where they are of no rows.
        """
        if expected.shape != got.shape:
            self.compared += expected.size
            self._keep(f"{what} of shape", str(expected.shape), str(got.shape), 0, rows)
            return
        word = f"u{expected.itemsize}"
        same = expected.view(word) == got.view(word)
        self.compared += same.size
        self.equal += int(same.sum())
        if not same.all():
            self.gap = max(self.gap or 0, int(gaps(expected, got).max()))
            at = tuple(np.argwhere(~same)[0])
            self._keep(what, word_of(expected[at]), word_of(got[at]), int(at[0]), rows)
        self.gap = self.gap or 0

    def nodes(
        self, what: str, expected: Any, got: Any, place: Callable[[int], tuple[int, int]]
    ) -> npt.NDArray[np.bool_]:
        """Compare a value of each of some nodes; floats by their bits.

        Args:
            what: the values are, in words.
            expected, got: arrays, (n,).
            place: tree and node of an index.

        Returns:
            Which are equal, (n,).
        """
        same: npt.NDArray[np.bool_] = _words(expected) == _words(got)
        self.compared += same.size
        self.equal += int(same.sum())
        if not same.all() and self.difference is None:
            at = int(np.flatnonzero(~same)[0])
            words = word_of(expected[at]), word_of(got[at])
            tree, node = place(at)
            self.difference = Difference(
                self.name, self.subject, what, *words, tree=tree, node=node
            )
        return same

    def word(
        self,
        what: str,
        expected: str,
        got: str,
        *,
        tree: int | None = None,
        node: int | None = None,
    ) -> None:
        """Compare one text, of a tree's node or of the whole."""
        self.compared += 1
        self.equal += expected == got
        if expected != got and self.difference is None:
            self.difference = Difference(
                self.name, self.subject, what, expected, got, tree=tree, node=node
            )

    def texts(
        self, what: str, expected: Sequence[str], got: Sequence[str], rows: Rows | None = None
    ) -> None:
        """Compare texts, one a row; `what` and `rows` as in `compare`."""
        if expected == got:
            self.compared += len(expected)
            self.equal += len(expected)
            return
        pairs = list(zip_longest(expected, got, fillvalue="nothing"))
        differ = [at for at, (wanted, found) in enumerate(pairs) if wanted != found]
        self.compared += len(pairs)
        self.equal += len(pairs) - len(differ)
        if differ:
            self._keep(what, *pairs[differ[0]], differ[0], rows)

    def decide(
        self, expected: Ints, got: Ints, answers: Sequence[str | int], rows: Rows | None = None
    ) -> None:
        """Compare decisions, (n,); `answers` names them from the lowest band on."""
        flipped = np.flatnonzero(expected != got)
        self.flips = (self.flips or 0) + len(flipped)
        if len(flipped):
            at = int(flipped[0])
            wanted, found = (
                str(answers[band]) if band < len(answers) else f"band {band}"
                for band in (int(expected[at]), int(got[at]))
            )
            self._keep("decision", wanted, found, at, rows)

    def seen(self, count: int) -> None:
        """Count rows when all about them has been compared."""
        self.rows += count

    def _keep(self, what: str, expected: str, got: str, at: int, rows: Rows | None) -> None:
        if self.difference is None:
            row = np.empty(0, np.float32) if rows is None or at >= len(rows) else rows[at]
            self.row = row if len(row) else None
            values = ["nan" if np.isnan(x) else float(x).hex() for x in row]
            self.difference = Difference(
                self.name, self.subject, what, expected, got, row=self.rows + at, values=values
            )

    def part(self) -> Part:
        """The result, as a part of a proof."""
        return Part(
            name=self.name,
            subject=self.subject,
            checked=self.rows,
            compared=self.compared,
            equal=self.equal,
            largest_gap_ulp=self.gap,
            decision_flips=self.flips,
            note=self.note,
            bound_ulp=self.bound_ulp,
            difference=self.difference,
        )
