"""Movers: the applications whose prediction moves most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from bentoml_ext.arrays import Predictions
from bentoml_ext.compare.predictions.answered import Answered
from bentoml_ext.compare.predictions.kind import Kind

__all__ = ["PredictionMover", "PredictionMovers"]

MOST: Final = 10


class PredictionMover(msgspec.Struct, frozen=True, kw_only=True):
    """An application that moves.

    Args:
        row: of the file, from 0.
        gap: between the predictions; of classes half the sum of the gaps of all probabilities.
        champion, challenger: the predictions, or the labels.
        outcome: a number or a label; None where it is unknown.
        fields: the application.
    """

    row: int
    gap: float
    champion: float | str
    challenger: float | str
    outcome: float | str | None
    fields: dict[str, Any]


class _Seen(NamedTuple):
    gap: float
    row: int
    text: str


class PredictionMovers:
    """Keeps the applications that move most of all that it sees.

    Args:
        kind: of both versions.
    """

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._kept: list[_Seen] = []
        self._rows = 0

    def see(
        self,
        before: Predictions,
        after: Predictions,
        texts: Callable[[Sequence[int]], list[str]],
    ) -> None:
        """A block: predictions, (n, m), NaN where there is no answer, and applications as JSON."""
        gaps = np.nan_to_num(self._kind.gaps(before, after), nan=-1.0)
        least = self._kept[-1].gap if len(self._kept) == MOST else 0.0
        places = np.flatnonzero(gaps > least)
        places = places[np.argsort(-gaps[places], kind="stable")][:MOST]
        found = texts(places.tolist()) if len(places) else []
        seen = [
            _Seen(float(gaps[at]), self._rows + int(at), text)
            for at, text in zip(places, found, strict=True)
        ]
        self._kept = sorted([*self._kept, *seen], key=lambda one: (-one.gap, one.row))[:MOST]
        self._rows += len(before)

    def found(self, champion: Answered, challenger: Answered) -> list[PredictionMover]:
        """The movers, the greatest first; both sides have all rows that were seen."""
        return [self._mover(one, champion, challenger) for one in self._kept]

    def _mover(self, one: _Seen, champion: Answered, challenger: Answered) -> PredictionMover:
        outcome = float(champion.outcomes[one.row])
        return PredictionMover(
            row=one.row,
            gap=one.gap,
            champion=self._said(float(champion.values[one.row])),
            challenger=self._said(float(challenger.values[one.row])),
            outcome=None if np.isnan(outcome) else self._said(outcome),
            fields=msgspec.json.decode(one.text),
        )

    def _said(self, value: float) -> float | str:
        return self._kind.labels[int(value)] if self._kind.labels else value
