"""Agreement: whether backends give the same bits and the same decisions on the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from bentoml_ext.arrays import Rows, block_rows
from bentoml_ext.compare.subject import Subject
from bentoml_ext.decisions.base import Decider
from bentoml_ext.encoders.encoder import Application
from bentoml_ext.proof.bits import BitComparison
from bentoml_ext.proof.part import Part
from bentoml_ext.scoring.scorer import Scorer

__all__ = ["BOUNDARY", "Agreement", "compared", "generated_rows"]

BOUNDARY: Final = "on every split"
GENERATED: Final = "made-up applications"


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How the margins of one backend agree with those of the booster's own.

    Args:
        rows: which rows, in words: "on every split", "made-up applications", or the name of a file.
        backend: that is compared.
        against: the backend that it is compared with.
        checked: how many rows.
        equal: rows whose margins have the same bits.
        largest_gap_ulp: between two margins, in steps of float32.
        largest_gap: between two probabilities, or other predictions.
        decision_flips: rows that get another decision.
        difference: the first margin that differs, in words; empty where all are equal.
    """

    rows: str
    backend: str
    against: str
    checked: int
    equal: int
    largest_gap_ulp: int
    largest_gap: float
    decision_flips: int
    difference: str = ""

    @property
    def holds(self) -> bool:
        """Whether every bit and every decision is equal."""
        return self.equal == self.checked and self.decision_flips == 0


def compared(
    name: str,
    blocks: Iterable[Rows],
    scorers: Mapping[str, Scorer],
    decider: Decider,
    on_rows: Callable[[int], None],
) -> list[Agreement]:
    """Compare all backends with the first, block by block.

    Args:
        name: of the rows, in words.
        blocks: float32, (n, n_features).
        scorers: by name of the backend.
        decider: whose decisions are compared.
        on_rows: called with the number of rows of each block.
    """
    first, *others = scorers
    running = {other: _Running(name, other, first, decider) for other in others}
    for rows in blocks:
        expected = scorers[first].backend.margins(rows)
        for other in others:
            running[other].compare(scorers[other], expected, rows)
        on_rows(len(rows))
    return [one.result() for one in running.values()]


def generated_rows(
    subject: Subject, applications: Sequence[Application]
) -> Iterator[tuple[str, Iterator[Rows]]]:
    """Rows on every split of the trees, and those of applications that were made up."""
    yield BOUNDARY, subject.sampler.boundary()
    encoder = subject.bundle.encoder
    step = block_rows(encoder.n_features, 4096)
    starts = range(0, len(applications), step)
    yield GENERATED, (encoder.rows(applications[at : at + step]) for at in starts)


class _Running:
    """The comparison of one backend, as it grows."""

    def __init__(self, rows: str, backend: str, against: str, decider: Decider) -> None:
        self._bits, self._decider = BitComparison(rows, backend), decider
        self._rows, self._against, self._gap, self._equal = rows, against, 0.0, 0

    def compare(self, scorer: Scorer, expected: Rows, rows: Rows) -> None:
        got, decider = scorer.backend.margins(rows), self._decider
        self._bits.compare("margin", expected, got, rows)
        if expected.shape == got.shape:
            self._equal += int((expected.view(np.uint32) == got.view(np.uint32)).all(axis=1).sum())
        columns, others = decider.columns(expected), decider.columns(got)
        if (text := decider.schema.text) is not None:
            self._bits.decide(columns[text.name], others[text.name], text.values, rows)
        for one in decider.schema.numbers if len(rows) else ():
            # Infinity less infinity counts as 0.
            with np.errstate(invalid="ignore"):
                gaps = np.nan_to_num(np.abs(columns[one.name] - others[one.name]), nan=0)
            self._gap = max(self._gap, float(gaps.max()))
        self._bits.seen(len(rows))

    def result(self) -> Agreement:
        part: Part = self._bits.part()
        differ = part.difference
        return Agreement(
            rows=self._rows,
            backend=part.subject,
            against=self._against,
            checked=part.checked,
            equal=self._equal,
            largest_gap_ulp=part.largest_gap_ulp or 0,
            largest_gap=self._gap,
            decision_flips=part.decision_flips or 0,
            difference="" if differ is None else str(differ),
        )
