"""Scored: the margins of one version on the applications of one file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from bentoml_ext.arrays import Bools, Floats, Ints, Margins, Probabilities
from bentoml_ext.backends.registry import AUTO
from bentoml_ext.compare.applications import Applications, Batch, Progress
from bentoml_ext.compare.beside import Beside, Named, Reading
from bentoml_ext.compare.outcomes import BAD, UNKNOWN, Outcomes
from bentoml_ext.compare.sample import Sample
from bentoml_ext.compare.subject import Subject
from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.errors import ConfigError
from bentoml_ext.objectives.logistic import probabilities
from bentoml_ext.scoring.opening import open_scorer

__all__ = ["Scored", "Scoring", "check_outcome", "margins_of"]

NOTHING: Final = Named()


@dataclass(frozen=True)
class Scored:
    """Some applications, scored.

    Args:
        margins: float32, (n,), log-odds; no NaN.
        beside: what is known of them.
        decider: whose bands they are in.
    """

    margins: Floats
    beside: Beside
    decider: BandDecider

    @property
    def outcomes(self) -> Outcomes:
        """int8, (n,)."""
        return self.beside.outcomes

    @cached_property
    def order(self) -> Ints:
        """int64, (n,): places by rising margin; equal ones as they are in the file."""
        return np.argsort(self.margins, kind="stable")

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
        return tuple(map(str, self.decider.statuses))

    @cached_property
    def is_known(self) -> Bools:
        """bool, (n,): whether the outcome is known."""
        return np.asarray(self.outcomes != UNKNOWN)

    @cached_property
    def is_bad(self) -> Bools:
        """bool, (n,): whether the outcome is the event that the model predicts."""
        return np.asarray(self.outcomes == BAD)

    @cached_property
    def known(self) -> Scored:
        """Those whose outcome is known; itself where all are."""
        return self if self.is_known.all() else self.of(self.is_known)

    def answered(self) -> Scored:
        """Those that have an answer."""
        return self.of(~np.isnan(self.margins))

    def of(self, which: Bools) -> Scored:
        """Some of them."""
        return Scored(self.margins[which], self.beside.of(which), self.decider)


@dataclass
class Scoring:
    """Scores a file with a version, block by block, and keeps 5 bytes of each application.

    Args:
        subject: the version.
        data: the file under its encoder; keeps the columns of `named`.
        named: the columns beside the fields.
    """

    subject: Subject
    data: Applications
    named: Named = NOTHING
    margins: list[Floats] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reading = Reading(self.named)
        self.sample = Sample(self.subject.bundle.encoder.n_features)

    def blocks(self, on_progress: Progress | None = None) -> Iterator[tuple[Batch, Floats]]:
        """Each block with its margins, float32, (n,), NaN where there is no answer."""
        for batch, found in margins_of(self.subject, self.data, self.sample, on_progress):
            margins = np.ascontiguousarray(found[:, 0])
            self.margins.append(margins)
            self.reading.read(batch.kept, len(batch.good))
            yield batch, margins

    def whole(self) -> Scored:
        """All that has been scored; NaN where there is no answer."""
        margins = np.concatenate([np.zeros(0, np.float32), *self.margins])
        return Scored(margins, self.reading.whole(), self.subject.decider)


def margins_of(
    subject: Subject, data: Applications, sample: Sample, on_progress: Progress | None
) -> Iterator[tuple[Batch, Margins]]:
    """Each block of a file with its margins, float32, (n, k), NaN where there is no answer."""
    backend = open_scorer(subject.bundle, AUTO).backend
    start = 0
    for batch in data.batches(on_progress):
        margins: Margins = np.full((len(batch.good), subject.bundle.n_margins), np.nan, np.float32)
        margins[batch.good] = backend.margins(batch.rows)
        sample.add(batch.rows, start + np.flatnonzero(batch.good))
        start += len(margins)
        yield batch, margins


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
