"""Movers: the applications whose probability moves most, with their fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from bentoml_ext.arrays import Floats
from bentoml_ext.compare.outcomes import UNKNOWN, Outcomes
from bentoml_ext.decisions.bands import BandDecider
from bentoml_ext.objectives.logistic import probabilities

__all__ = ["Mover", "Movers"]

MOST: Final = 10


class Mover(msgspec.Struct, frozen=True, kw_only=True):
    """An application that moves.

    Args:
        row: of the file, from 0.
        champion, challenger: the probabilities.
        champion_answer, challenger_answer: of their policies.
        outcome: 1 for bad, 0 for good; None where it is unknown.
        fields: the application.
    """

    row: int
    champion: float
    challenger: float
    champion_answer: str
    challenger_answer: str
    outcome: int | None
    fields: dict[str, Any]


class _Seen(NamedTuple):
    gap: float
    row: int
    before: float
    after: float
    text: str


class Movers:
    """Keeps the applications that move most of all that it sees."""

    def __init__(self) -> None:
        self._kept: list[_Seen] = []
        self._rows = 0

    def see(
        self,
        before: Floats,
        after: Floats,
        texts: Callable[[Sequence[int]], list[str]],
    ) -> None:
        """A block.

        Args:
            before, after: margins, (n,); NaN where there is no answer.
            texts: applications of the block as JSON.
        """
        gaps = np.nan_to_num(np.abs(probabilities(after) - probabilities(before)), nan=-1.0)
        least = self._kept[-1].gap if len(self._kept) == MOST else 0.0
        places = np.flatnonzero(gaps > least)
        places = places[np.argsort(-gaps[places], kind="stable")][:MOST]
        found = texts(places.tolist()) if len(places) else []
        seen = [
            _Seen(float(gaps[at]), self._rows + int(at), before[at], after[at], text)
            for at, text in zip(places, found, strict=True)
        ]
        self._kept = sorted([*self._kept, *seen], key=lambda one: (-one.gap, one.row))[:MOST]
        self._rows += len(before)

    def found(
        self, champion: BandDecider, challenger: BandDecider, outcomes: Outcomes
    ) -> list[Mover]:
        """The movers, the greatest first; `outcomes` are those of all that was seen."""
        return [_mover(one, champion, challenger, int(outcomes[one.row])) for one in self._kept]


def _mover(one: _Seen, champion: BandDecider, challenger: BandDecider, outcome: int) -> Mover:
    answers = [
        decider.answer(np.array([[margin]], np.float32))
        for decider, margin in ((champion, one.before), (challenger, one.after))
    ]
    return Mover(
        row=one.row,
        champion=answers[0].probability,
        challenger=answers[1].probability,
        champion_answer=str(answers[0].status),
        challenger_answer=str(answers[1].status),
        outcome=None if outcome == UNKNOWN else outcome,
        fields=msgspec.json.decode(one.text),
    )
