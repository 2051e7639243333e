"""Predicting: a version's answers to a file, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from bentoml_ext.arrays import Ints, Predictions
from bentoml_ext.compare.applications import Applications, Batch, Progress
from bentoml_ext.compare.beside import texts_of
from bentoml_ext.compare.predictions.answered import Answered, joined
from bentoml_ext.compare.predictions.kind import Kind, predictions_of
from bentoml_ext.compare.sample import Sample
from bentoml_ext.compare.scored import margins_of
from bentoml_ext.compare.subject import Subject

__all__ = ["Block", "Predicting"]


class Block(NamedTuple):
    """Some applications with their answers.

    Args:
        batch: the applications.
        predictions: float32, (n, m), NaN where there is no answer.
        answered: what is kept of them.
    """

    batch: Batch
    predictions: Predictions
    answered: Answered


@dataclass
class Predicting:
    """Scores a file with a version, and keeps 24 bytes of each application.

    Args:
        subject: the version.
        data: the file under its encoder.
        kind: of the version.
        outcome: name of a column; empty where none is named.
        group: name of the column that says which applications are ranked together.
    """

    subject: Subject
    data: Applications
    kind: Kind
    outcome: str = ""
    group: str = ""
    kept: list[Answered] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sample = Sample(self.subject.bundle.encoder.n_features)
        self._groups: dict[str | None, int] = {}

    def blocks(self, on_progress: Progress | None = None) -> Iterator[Block]:
        """Each block of the file."""
        for batch, margins in margins_of(self.subject, self.data, self.sample, on_progress):
            width = self.subject.bundle.objective.width(margins.shape[1])
            predictions = np.full((len(margins), width), np.nan, np.float32)
            answers = ~np.isnan(margins).any(axis=1)
            predictions[answers] = predictions_of(self.subject, margins[answers])
            # A service refuses to answer what is not finite.
            predictions[~np.isfinite(predictions).all(axis=1)] = np.nan
            answered = self._answered(batch, predictions)
            self.kept.append(answered)
            yield Block(batch, predictions, answered)

    def whole(self) -> Answered:
        """All that has been answered, and what has no answer."""
        return joined(self.kept)

    def _answered(self, batch: Batch, predictions: Predictions) -> Answered:
        outcomes = np.full(len(predictions), np.nan)
        if self.outcome:
            outcomes = self.kind.outcomes(batch.kept[self.outcome], self.outcome)
        lost = np.isnan(predictions).any(axis=1)
        values = self.kind.values(np.nan_to_num(predictions))
        values[lost] = np.nan
        chances = self.kind.chances(predictions, outcomes)
        return Answered(values, outcomes, chances, self._codes(batch, len(predictions)))

    def _codes(self, batch: Batch, count: int) -> Ints:
        if not self.group:
            return np.zeros(count, np.int64)
        texts = texts_of(batch.kept[self.group]).to_pylist()
        return np.array([self._groups.setdefault(one, len(self._groups)) for one in texts])
