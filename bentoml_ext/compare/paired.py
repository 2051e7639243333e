"""Paired: two versions on the same applications, in one pass over the file for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Bools, Floats
from bentoml_ext.compare.applications import Progress
from bentoml_ext.compare.movers import Mover, Movers
from bentoml_ext.compare.scored import Scored, Scoring
from bentoml_ext.errors import UnreadableInput

__all__ = ["InStep", "Paired", "paired"]

Values = TypeVar("Values", bound=npt.NDArray[Any])


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
    others: InStep[Floats] = InStep(margins for _, margins in challenger.blocks())
    for batch, before in champion.blocks(on_progress):
        after = others.take(len(before))
        movers.see(before, after, batch.texts)
    others.end()
    one, other = champion.whole(), challenger.whole()
    answered: Bools = ~(np.isnan(one.margins) | np.isnan(other.margins))
    known = one.beside.of(answered)
    return Paired(
        Scored(one.margins[answered], known, one.decider),
        Scored(other.margins[answered], known, other.decider),
        answered,
        movers.found(one.decider, other.decider, one.outcomes),
    )


class InStep(Generic[Values]):
    """Arrays of the blocks of one reader, cut as another reader's blocks are.

    Args:
        blocks: arrays with a row for each application.
    """

    def __init__(self, blocks: Iterator[Values]) -> None:
        self._blocks = blocks
        self._left: list[Values] = []

    def take(self, count: int) -> Values:
        """The next rows, exactly so many.

        Raises:
            UnreadableInput: there are fewer.
        """
        pieces: list[npt.NDArray[Any]] = list(self._left)
        have = sum(map(len, pieces))
        # A file's first block may be empty, and shows its width.
        while (have < count or not pieces) and (block := next(self._blocks, None)) is not None:
            pieces.append(block)
            have += len(block)
        if have < count or not pieces:
            raise UnreadableInput(
                f"Expected {count:,} more applications, got {have:,} - at --data. The file changed "
                "while it was read."
            )
        whole = np.concatenate(pieces)
        self._left = [cast("Values", whole[count:])]
        return cast("Values", whole[:count])

    def end(self) -> None:
        """Check that nothing is left.

        Raises:
            UnreadableInput: there are more rows.
        """
        if any(map(len, self._left)) or any(map(len, self._blocks)):
            raise UnreadableInput(
                "Expected as many applications from both readers, got more from one - at --data. "
                "The file changed while it was read."
            )
