"""Scoring: the rows of a check on the whole way, from application to margin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from bentoml_ext.acceptance.given import Given
from bentoml_ext.acceptance.measures import Mask
from bentoml_ext.arrays import Ints, Margins, Rows
from bentoml_ext.columns import ColumnEncoder
from bentoml_ext.encoder import Encoded, Encoder
from bentoml_ext.errors import ImportRefused, InvalidApplication
from bentoml_ext.export.graph import read
from bentoml_ext.export.oracle import Oracle, on_one_thread

__all__ = ["BLOCK_ROWS", "Candidate", "Oracles", "Progress", "Readable", "Scored"]

BLOCK_ROWS: Final = 16_384
SPOT_ROWS: Final = 16
"""Rows of a block that the one-application encoder writes, too, where the columns' own did."""

Progress = Callable[[int, int], None]
"""Called with the rows that are done and all that there will be."""


class Readable(Protocol):
    """What a source is under one reading."""

    @property
    def model(self) -> Any:
        """An xgboost Booster of the trees that count."""

    @property
    def encoder(self) -> Encoder:
        """Application to row."""


@dataclass(eq=False)
class Scored:
    """Margins of some rows.

    Args:
        margins: float32, (n,); NaN for a refused one.
        refused: which applications the encoder refuses.
        errors: why, for the first of them, by place among the rows.
        rows: float32, (n, n_features), NaN for a refused one; of all rows of a check, none.
    """

    margins: Margins
    refused: Mask
    rows: Rows
    errors: dict[int, InvalidApplication] = field(default_factory=dict)


class Oracles:
    """An oracle for each booster: to read one takes as long as to score some thousand rows."""

    def __init__(self) -> None:
        self._known: list[tuple[Any, Oracle]] = []

    def of(self, booster: Any) -> Oracle:
        """The oracle of a booster.

        Raises:
            ImportRefused: it has several margins for a row.
            ExportRefused: it cannot be read.
        """
        for known, oracle in self._known:
            if known is booster:
                return oracle
        _, ensemble = read(booster)
        if ensemble.n_targets != 1:
            raise ImportRefused(
                f"Expected one margin for a row, got {ensemble.n_targets} - at the booster."
            )
        oracle = Oracle(booster, ensemble)
        self._known = [*self._known[-7:], (booster, oracle)]
        return oracle


class Candidate:
    """A source under one reading, ready to score the rows of a check.

    Args:
        found: model and encoder.
        given: the rows.
        without: names of the columns that are no part of an application.
        oracles: of boosters that were asked before.

    Raises:
        ImportRefused: the booster has several margins for a row.
        ExportRefused: the booster cannot be read.
    """

    def __init__(
        self, found: Readable, given: Given, without: Sequence[str], oracles: Oracles
    ) -> None:
        self.encoder = found.encoder
        self.model = found.model
        self._oracle = oracles.of(found.model)
        self._given, self._without = given, without

    @property
    def missing_fields(self) -> list[str]:
        """Fields that no row has."""
        known = set(self._given.names) - set(self._without)
        return [field.name for field in self.encoder.fields if field.name not in known]

    def margins(self, rows: Rows) -> Margins:
        """float32, (n,): the booster's own."""
        if not len(rows):
            return np.empty(0, np.float32)
        # On a busy machine threads wait for one another far longer than they save.
        with on_one_thread(self.model):
            return np.ascontiguousarray(self._oracle.truth(rows).margins[:, 0])

    def some(self, rows: Ints) -> Scored:
        """Score some rows, one application after the other; their features are kept."""
        applications = self._given.applications(rows, self.encoder.fields, self._without)
        return self._scored(_encode(self.encoder, applications), len(rows))

    def all(self, on_progress: Progress | None = None) -> Scored:
        """Score all rows, in blocks; features are not kept."""
        count, none = len(self._given), np.empty((0, self.encoder.n_features), np.float32)
        whole = Scored(np.empty(count, np.float32), np.zeros(count, np.bool_), none)
        for start, encoded, length in self._blocks():
            part = self._scored(encoded, length)
            whole.margins[start : start + length] = part.margins
            whole.refused[start : start + length] = part.refused
            if not whole.errors:
                whole.errors = {start + at: error for at, error in part.errors.items()}
            if on_progress is not None:
                on_progress(start + length, count)
        return whole

    def _scored(self, encoded: Encoded, count: int) -> Scored:
        good = np.ones(count, np.bool_)
        errors: dict[int, InvalidApplication] = {}
        for error in encoded.refused:
            good[error.index or 0] = False
            errors.setdefault(error.index or 0, error)
        margins = np.full(count, np.nan, np.float32)
        margins[good] = self.margins(encoded.rows)
        rows = np.full((count, encoded.rows.shape[1]), np.nan, np.float32)
        rows[good] = encoded.rows
        return Scored(margins, ~good, rows, errors)

    def _blocks(self) -> Iterator[tuple[int, Encoded, int]]:
        columns = ColumnEncoder(self.encoder, text_numbers=self._given.text_numbers)
        names = [*(field.name for field in self.encoder.fields), *self.encoder.one_hot]
        for start in range(0, len(self._given), BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, len(self._given))
            encoded = self._by_columns(columns, start, stop, names)
            if encoded is None:
                wanted = np.arange(start, stop)
                applications = self._given.applications(wanted, self.encoder.fields, self._without)
                encoded = _encode(self.encoder, applications)
            yield start, encoded, stop - start

    def _by_columns(
        self, columns: ColumnEncoder, start: int, stop: int, names: Sequence[str]
    ) -> Encoded | None:
        """A block by its columns; None where the one-application encoder has the word."""
        batch = self._given.batch(start, stop, names)
        if batch is None:
            return None
        try:
            encoded = columns.encode(batch)
        except InvalidApplication:
            return None
        if encoded.refused:
            return None
        spots = np.linspace(0, stop - start - 1, SPOT_ROWS).astype(np.int64)
        applications = self._given.applications(start + spots, self.encoder.fields, self._without)
        singly = _encode(self.encoder, applications)
        same = not singly.refused and np.array_equal(
            singly.rows.view(np.uint32), encoded.rows[spots].view(np.uint32)
        )
        return encoded if same else None


def _encode(encoder: Encoder, applications: Sequence[Any]) -> Encoded:
    """Rows and refusals, one application after the other."""
    refused: list[InvalidApplication] = []
    good = []
    for index, application in enumerate(applications):
        error = next(encoder.wrong(application), None)
        if error is None:
            good.append(application)
        else:
            refused.append(error.at(index))
    return Encoded(encoder.rows(good), refused)
