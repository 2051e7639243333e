"""Comparing: counts equal bits, the gap of those that are not, and decisions that flip."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bentoml_ext.arrays import Floats, Ints, Rows
from bentoml_ext.evidence import Difference, Part
from bentoml_ext.policy import Policy
from bentoml_ext.probability import first_margin_above

__all__ = ["Decisions", "Tally", "gaps", "word_of", "words_of"]


def gaps(expected: Floats, got: Floats) -> Ints:
    """int64, as `expected`: float32 numbers between the two; NaN counts as beyond infinity."""
    result: Ints = np.abs(_rank(expected) - _rank(got))
    return result


def _rank(values: Floats) -> Ints:
    """int64: every float32 in rising order, -0.0 one below 0.0."""
    bits = np.ascontiguousarray(values, np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, np.int64(-1) - (bits & 0x7FFFFFFF), bits)


def word_of(value: Any) -> str:
    """A float in hex, which is exact; anything else as it is."""
    return float(value).hex() if isinstance(value, np.floating) else str(value)


def words_of(values: Floats) -> str:
    """Floats in hex, with spaces between."""
    return " ".join(float(value).hex() for value in values)


class Decisions:
    """The answers of a policy, as numbers from 0 for the lowest band.

    Args:
        policy: its bands.
    """

    def __init__(self, policy: Policy) -> None:
        above = [band.above for band in reversed(policy.bands)]
        self._bounds = np.array(above, np.float32)
        self._crossings = np.array([first_margin_above(bound) for bound in above], np.float32)

    def by_probability(self, probabilities: Floats) -> Ints:
        """Compared as the policy reads: each probability in float32 with each bound."""
        counted: Ints = (probabilities[:, None] > self._bounds).sum(axis=1)
        return counted

    def by_margin(self, margins: Floats) -> Ints:
        """As the service decides: on the margin, at the crossing of each band."""
        counted: Ints = (margins[:, None] >= self._crossings).sum(axis=1)
        return counted


@dataclass
class Tally:
    """Grows into a `Part`.

    Args:
        name: of the part.
        subject: what is judged.
        note: what is compared, in words.
    """

    name: str
    subject: str
    note: str = ""
    rows: int = 0
    compared: int = 0
    equal: int = 0
    gap: int | None = None
    flips: int | None = None
    difference: Difference | None = None
    row: Rows | None = field(default=None, repr=False)
    """The first row that differs, float32, (n_features,)."""

    def compare(self, what: str, expected: Floats, got: Floats, rows: Rows) -> None:
        """Compare float32 values of any equal shape (n, ...), by their bits.

        Values of the rows that `seen` was last told of.
        """
        same = expected.view(np.uint32) == got.view(np.uint32)
        self.compared += same.size
        self.equal += int(same.sum())
        if not same.all():
            self.gap = max(self.gap or 0, int(gaps(expected, got).max()))
            at = tuple(np.argwhere(~same)[0])
            self._keep(what, word_of(expected[at]), word_of(got[at]), int(at[0]), rows)
        self.gap = self.gap or 0

    def decide(self, expected: Ints, got: Ints, answers: tuple[str, ...], rows: Rows) -> None:
        """Compare decisions, (n,); `answers` names them from the lowest band on."""
        flipped = np.flatnonzero(expected != got)
        self.flips = (self.flips or 0) + len(flipped)
        if len(flipped):
            at = int(flipped[0])
            self._keep("decision", answers[expected[at]], answers[got[at]], at, rows)

    def seen(self, rows: Rows) -> None:
        """Count rows when all about them has been compared."""
        self.rows += len(rows)

    def _keep(self, what: str, expected: str, got: str, at: int, rows: Rows) -> None:
        if self.difference is None:
            self.row = rows[at]
            values = ["nan" if np.isnan(x) else float(x).hex() for x in rows[at]]
            self.difference = Difference(
                self.name, self.subject, what, expected, got, row=self.rows + at, values=values
            )

    def part(self) -> Part:
        """What was found."""
        return Part(
            name=self.name,
            subject=self.subject,
            checked=self.rows,
            compared=self.compared,
            equal=self.equal,
            largest_gap_ulp=self.gap,
            decision_flips=self.flips,
            note=self.note,
            difference=self.difference,
        )
