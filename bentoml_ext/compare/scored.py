"""Scored: the margins of one version on the applications of one file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from bentoml_ext.arrays import Bools, Floats, Ints, Probabilities
from bentoml_ext.backends.registry import AUTO
from bentoml_ext.compare.applications import Applications, Batch, Progress
from bentoml_ext.compare.outcomes import BAD, UNKNOWN, Outcomes, outcomes
from bentoml_ext.compare.sample import Sample
from bentoml_ext.compare.subject import Subject
from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.errors import ConfigError
from bentoml_ext.objectives.logistic import probabilities
from bentoml_ext.scoring.opening import open_scorer

__all__ = ["Scored", "Scoring", "check_outcome"]


@dataclass(frozen=True)
class Scored:
    """Some applications, scored.

    Args:
        margins: float32, (n,), log-odds; no NaN.
        outcomes: int8, (n,).
        decider: whose bands they are in.
    """

    margins: Floats
    outcomes: Outcomes
    decider: BandDecider

    @cached_property
    def probabilities(self) -> Probabilities:
        """float32, (n,): as they are served."""
        return probabilities(self.margins)

    @cached_property
    def bands(self) -> Ints:
        """int64, (n,): places in `statuses`, 0 of the lowest probability."""
        return self.decider.bands(self.margins[:, None])

    @property
    def statuses(self) -> tuple[str, ...]:
        """The policy's answers, that of the lowest probability first."""
        return self.decider.statuses

    @cached_property
    def is_known(self) -> Bools:
        """bool, (n,): whether the outcome is known."""
        return np.asarray(self.outcomes != UNKNOWN)

    @cached_property
    def is_bad(self) -> Bools:
        """bool, (n,): whether the outcome is the event that the model predicts."""
        return np.asarray(self.outcomes == BAD)

    def answered(self) -> Scored:
        """Those that have an answer."""
        return self.of(~np.isnan(self.margins))

    def of(self, which: Bools) -> Scored:
        """Some of them."""
        return Scored(self.margins[which], self.outcomes[which], self.decider)


@dataclass
class Scoring:
    """Scores a file with a version, block by block, and keeps 5 bytes of each application.

    Args:
        subject: the version.
        data: the file under its encoder.
        outcome: name of the column with what became of them; empty where none is named.
    """

    subject: Subject
    data: Applications
    outcome: str = ""
    margins: list[Floats] = field(default_factory=list)
    outcomes: list[Outcomes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sample = Sample(self.subject.bundle.encoder.n_features)
        self._backend = open_scorer(self.subject.bundle, AUTO).backend

    def blocks(self, on_progress: Progress | None = None) -> Iterator[tuple[Batch, Floats]]:
        """Each block with its margins, float32, (n,), NaN where there is no answer."""
        start = 0
        for batch in self.data.batches(on_progress):
            margins: Floats = np.full(len(batch.good), np.nan, np.float32)
            margins[batch.good] = self._backend.margins(batch.rows)[:, 0]
            self.margins.append(margins)
            self.outcomes.append(self._outcomes(batch))
            self.sample.add(batch.rows, start + np.flatnonzero(batch.good))
            start += len(margins)
            yield batch, margins

    def whole(self) -> Scored:
        """All that has been scored; NaN where there is no answer."""
        none: tuple[Floats, Outcomes] = (np.zeros(0, np.float32), np.zeros(0, np.int8))
        return Scored(
            np.concatenate([none[0], *self.margins]),
            np.concatenate([none[1], *self.outcomes]),
            self.subject.decider,
        )

    def _outcomes(self, batch: Batch) -> Outcomes:
        if self.outcome:
            return outcomes(batch.kept[self.outcome], self.outcome)
        return np.full(len(batch.good), UNKNOWN, np.int8)


def check_outcome(name: str, *subjects: Subject) -> None:
    """Refuse an outcome that is a field: a model that sees it predicts nothing.

    Raises:
        ConfigError: names the model.
    """
    for subject in subjects:
        if name and name in subject.bundle.encoder.names:
            raise ConfigError(
                f"Expected a column beside the fields, got the field '{name}' of {subject.tag} - "
                "at --outcome. Name the column that says what became of an application."
            )
