"""Paired: two versions on the same applications, in one pass over the file for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bentoml_ext.arrays import Bools, Floats
from bentoml_ext.compare.applications import Progress
from bentoml_ext.compare.movers import Mover, Movers
from bentoml_ext.compare.scored import Scored, Scoring
from bentoml_ext.errors import UnreadableInput

__all__ = ["Paired", "paired"]


@dataclass(frozen=True)
class Paired:
    """The applications that both versions answer.

    Args:
        champion, challenger: margins and bands, row by row the same applications.
        answered: bool, (all rows of the file,): which applications these are.
        movers: those whose probability moves most.
    """

    champion: Scored
    challenger: Scored
    answered: Bools
    movers: list[Mover]


def paired(champion: Scoring, challenger: Scoring, on_progress: Progress | None = None) -> Paired:
    """Score a file with both versions, in step.

    Args:
        champion, challenger: of the same file.
        on_progress: see `Progress`.

    Raises:
        UnreadableInput: the file changes between the two readers.
    """
    movers = Movers()
    others = _Rows(margins for _, margins in challenger.blocks())
    for batch, before in champion.blocks(on_progress):
        after = others.take(len(before))
        movers.see(before, after, batch.texts)
    if len(others.take(1, most=True)):
        raise _uneven(champion)
    one, other = champion.whole(), challenger.whole()
    answered: Bools = ~(np.isnan(one.margins) | np.isnan(other.margins))
    known = one.beside.of(answered)
    return Paired(
        Scored(one.margins[answered], known, one.decider),
        Scored(other.margins[answered], known, other.decider),
        answered,
        movers.found(one.decider, other.decider, one.outcomes),
    )


class _Rows:
    """Values of blocks, in pieces of any length."""

    def __init__(self, blocks: Iterator[Floats]) -> None:
        self._blocks = blocks
        self._left: Floats | None = None

    def take(self, count: int, *, most: bool = False) -> Floats:
        """The next values: exactly so many, or with `most` as many as there are."""
        pieces = [] if self._left is None else [self._left]
        have = sum(map(len, pieces))
        while have < count and (block := next(self._blocks, None)) is not None:
            pieces.append(block)
            have += len(block)
        if have < count and not most:
            raise UnreadableInput(
                f"Expected {count:,} more applications, got {have:,} - at --data. The file changed "
                "while it was read."
            )
        joined = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
        self._left = joined[count:]
        return joined[:count]


def _uneven(scoring: Scoring) -> UnreadableInput:
    return UnreadableInput(
        f"Expected {scoring.data.rows:,} applications from both readers, got more from one - at "
        f"{scoring.data.path}. The file changed while it was read."
    )
