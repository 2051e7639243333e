"""Crossover: which backend answers from how many rows on."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from bentoml_ext.errors import ConfigError

__all__ = ["Cost", "Crossover"]

STEP = re.compile(r"(.+):([1-9][0-9]{0,8})")

MOST = 1_000_000
"""Rows: further on, lines through a few hundred say nothing."""


@dataclass(frozen=True)
class Cost:
    """The time of a call: one row on its own way, more of them along a line.

    Args:
        single_s: for one row, by `Backend.single`.
        call_s: for a call of `Backend.margins`, without its rows.
        row_s: for each of its rows.
    """

    single_s: float
    call_s: float
    row_s: float

    def of(self, rows: float) -> float:
        """Seconds of `Backend.margins` for so many rows."""
        return self.call_s + rows * self.row_s

    def beaten_by(self, other: Cost) -> float:
        """The number of rows from which on the other one is faster; infinity if it never is."""
        if other.row_s >= self.row_s:
            return math.inf
        return math.floor((other.call_s - self.call_s) / (self.row_s - other.row_s)) + 1


@dataclass(frozen=True)
class Crossover:
    """A table with as many steps as there are changes.

    Args:
        steps: (rows, name of a backend), rows ascending from 1; each answers from so many rows on,
            up to the next.
    """

    steps: tuple[tuple[int, str], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The backends that it names, each once."""
        return tuple(dict.fromkeys(name for _, name in self.steps))

    def __str__(self) -> str:
        return ",".join(f"{name}:{rows}" for rows, name in self.steps)

    @classmethod
    def parse(cls, text: str) -> Crossover:
        """The crossover that `str` has written, as "onnx:1,xgboost:80".

        Raises:
            ConfigError: no such table, or its rows do not rise from 1.
        """
        found = [STEP.fullmatch(step) for step in text.split(",")]
        steps = tuple((int(step[2]), step[1]) for step in found if step)
        rising = all(lower < upper for (lower, _), (upper, _) in pairwise(steps))
        if len(steps) < len(found) or steps[0][0] != 1 or not rising:
            raise ConfigError(
                f"Expected NAME:ROWS,..., the rows rising from 1, got '{text}' - at CROSSOVER. "
                "Set it as in onnx:1,xgboost:80, or leave it out to have it measured."
            )
        return cls(steps)

    @classmethod
    def cheapest(cls, costs: Mapping[str, Cost]) -> Crossover:
        """The crossover of the least time for every number of rows.

        Args:
            costs: by name of the backend; at least one.
        """
        steps = [(1, min(costs, key=lambda name: costs[name].single_s))]
        rows: float = 2
        # Along the lower edge of the lines: each line is less steep than the one before.
        while rows < MOST:
            best = min(costs, key=lambda name: (costs[name].of(rows), costs[name].row_s))
            if best != steps[-1][1]:
                steps.append((int(rows), best))
            rows = max(rows + 1, min(costs[best].beaten_by(cost) for cost in costs.values()))
        return cls(tuple(steps))
