"""Scoring: the rows of a check on the whole way, from application to margin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from bentoml_ext.acceptance.blocks import encode, encoded_blocks
from bentoml_ext.acceptance.given import Given
from bentoml_ext.acceptance.measures import Mask
from bentoml_ext.arrays import Ints, Margins, Rows
from bentoml_ext.boosters.xgb.confirm import read
from bentoml_ext.boosters.xgb.oracle import Oracle, on_one_thread
from bentoml_ext.encoders.encoder import Encoded, Encoder
from bentoml_ext.errors import ImportRefused, InvalidApplication

__all__ = ["Candidate", "Oracles", "Progress", "Readable", "Scored"]

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
    """Floats of some rows.

    Args:
        margins: float32, (n, n_margins); NaN for a refused one.
        refused: which applications the encoder refuses.
        errors: why, for the first of them, by place among the rows.
        rows: float32, (n, n_features), NaN for a refused one; of all rows of a check, none.
    """

    margins: Margins
    refused: Mask
    rows: Rows
    errors: dict[int, InvalidApplication] = field(default_factory=dict)


class Oracles:
    """An oracle for each booster: to read one takes as long as to score some thousand rows.

    Args:
        n_margins: that a row of each has.
    """

    def __init__(self, n_margins: int) -> None:
        self._n_margins = n_margins
        self._known: list[tuple[Any, Oracle]] = []

    def of(self, booster: Any) -> Oracle:
        """The oracle of a booster.

        Raises:
            ImportRefused: it has another number of margins for a row.
            ExportRefused: it cannot be read.
        """
        for known, oracle in self._known:
            if known is booster:
                return oracle
        _, ensemble = read(booster)
        if ensemble.n_targets != self._n_margins:
            count = "one margin" if self._n_margins == 1 else f"{self._n_margins} margins"
            raise ImportRefused(
                f"Expected {count} for a row, got {ensemble.n_targets} - at the booster."
            )
        oracle = Oracle(booster, ensemble)
        self._known = [*self._known[-7:], (booster, oracle)]
        return oracle


class Candidate:
    """A source under one reading, ready to score the rows of a check.

    Args:
        found: model and encoder.
        given: the rows.
        without: names of the columns outside an application.
        oracles: of boosters that were asked before.

    Raises:
        ImportRefused: the booster has another number of margins for a row.
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
        """float32, (n, n_margins): the booster's own."""
        if not len(rows):
            return np.empty((0, self._oracle.n_margins), np.float32)
        # On a busy machine threads wait for one another far longer than they save.
        with on_one_thread(self.model):
            return self._oracle.truth(rows).margins

    def some(self, rows: Ints) -> Scored:
        """Score some rows, one application after the other; their features are kept."""
        applications = self._given.applications(rows, self.encoder.fields, self._without)
        return self._scored(encode(self.encoder, applications), len(rows))

    def all(self, on_progress: Progress | None = None) -> Scored:
        """Score all rows, in blocks; features are not kept."""
        count, none = len(self._given), np.empty((0, self.encoder.n_features), np.float32)
        margins = np.empty((count, self._oracle.n_margins), np.float32)
        whole = Scored(margins, np.zeros(count, np.bool_), none)
        for start, encoded, length in encoded_blocks(self.encoder, self._given, self._without):
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
        margins = np.full((count, self._oracle.n_margins), np.nan, np.float32)
        margins[good] = self.margins(encoded.rows)
        rows = np.full((count, encoded.rows.shape[1]), np.nan, np.float32)
        rows[good] = encoded.rows
        return Scored(margins, ~good, rows, errors)
