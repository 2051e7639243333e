"""Answered: what a version answers to applications, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Bools, Floats, Ints

__all__ = ["Answered", "Numbers", "joined"]

Numbers: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Answered:
    """Applications with their answers, row by row.

    Args:
        values: float32, (n,): the prediction, or the place of the predicted class; NaN without an
            answer.
        outcomes: float64, (n,): a number, or the place of a class; NaN where it is unknown.
        chances: float32, (n,): probability of the class of the outcome; NaN where it has none.
        groups: int64, (n,): which applications are ranked together; 0 where no column says it.
    """

    values: Floats
    outcomes: Numbers
    chances: Floats
    groups: Ints

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def answers(self) -> Bools:
        """bool, (n,): which have an answer."""
        return ~np.isnan(self.values)

    @cached_property
    def known(self) -> Answered:
        """Those whose outcome is known."""
        return self.of(~np.isnan(self.outcomes))

    def of(self, which: Bools) -> Answered:
        """Some of them."""
        return Answered(
            self.values[which], self.outcomes[which], self.chances[which], self.groups[which]
        )


def joined(blocks: list[Answered]) -> Answered:
    """All of some blocks."""
    if not blocks:
        none: Floats = np.zeros(0, np.float32)
        return Answered(none, np.zeros(0), none, np.zeros(0, np.int64))
    names = ("values", "outcomes", "chances", "groups")
    return Answered(*(np.concatenate([getattr(one, name) for one in blocks]) for name in names))
