"""Columns: what has become of the fields of an application between two steps of a pipeline.

A number is followed as sums. A category has few values, so each step is asked what it makes of all
of them. So it is asked of an indicator, and of the ranges that a step cuts a number into.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from bentoml_ext.encoders.field import FLOAT32_MAX
from bentoml_ext.encoders.steps import Sum

__all__ = [
    "OTHER",
    "SINGLE",
    "Column",
    "Curve",
    "Domain",
    "Finite",
    "Numeric",
    "Odd",
    "Usable",
    "is_null",
]

Objects: TypeAlias = npt.NDArray[np.object_]

OTHER: Final = "\ufdd0 a text that no encoder has seen"
"""Stands for every text without a place of its own; Unicode never gives its first character."""

SINGLE: Final = Sum("as_single", 0.0)
"""A number is rounded to float32."""


@dataclass(frozen=True)
class Domain:
    """The values that a field may have.

    Args:
        known: categories, texts or whole numbers; of an indicator, one that stands for all numbers;
            of ranges, one of each.
        null: what null is in the user's frames: None, NaN or NA.
        other: what stands for any other value; None where there is no other.
    """

    known: tuple[Any, ...]
    null: Any
    other: Any

    @property
    def values(self) -> Objects:
        """object, (known + 2,): the known values, null, and any other."""
        values = np.empty(len(self.known) + 2, object)
        values[:-2] = self.known
        values[-2], values[-1] = self.null, self.other
        return values

    @property
    def is_whole(self) -> bool:
        """Whether the categories are whole numbers."""
        return not isinstance(self.known[0], str)


@dataclass(frozen=True, eq=False)
class Curve:
    """What a fitted step makes of numbers, where no sum repeats it.

    Args:
        call: float64, (n,), to float64, (n,). ValueError where the step refuses a number.
        is_checked: whether the step refuses infinities.
    """

    call: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]
    is_checked: bool


@dataclass(frozen=True, eq=False)
class Numeric:
    """A number after some sums.

    Args:
        field: whose number it is.
        kind: float32, float64, int64 or bool.
        sums: what was done to it, one after the other; curves keep or turn the order of numbers.
        null: what null has become; NaN while nothing has filled it in.
        is_filled: whether a step has filled it in.
        low: the least number that the steps take.
        high: the greatest.
        turns: numbers, rising, at which what follows may begin to rise, to fall or to be NaN.
        start: the least number that a function has a value of.
        is_partial: whether the steps refuse some numbers, or make NaN of them.
    """

    field: str
    kind: np.dtype[Any]
    sums: tuple[Sum | Curve, ...] = ()
    null: float = float("nan")
    is_filled: bool = False
    low: float = -FLOAT32_MAX
    high: float = FLOAT32_MAX
    turns: tuple[float, ...] = ()
    start: float = -FLOAT32_MAX
    is_partial: bool = False

    @property
    def is_bent(self) -> bool:
        """Whether a function was among the sums."""
        return any(isinstance(one, Curve) for one in self.sums)


@dataclass(frozen=True, eq=False)
class Finite:
    """A category, an indicator, or the ranges of a number, after some steps.

    Args:
        field: whose values they are.
        domain: of the field; of ranges, the column's own.
        values: object, (known + 2,): what has become of each value of the domain.
        refused: bool, as `values`: the values that a step has refused.
        kind: the type of a number in the user's frame; None of texts, and once a step has changed
            the values.
        is_flag: whether the known value stands for all numbers.
        is_filled: whether a step has filled null in.
        edges: of ranges, where the second and each further one begins.
    """

    field: str
    domain: Domain
    values: Objects
    refused: npt.NDArray[np.bool_]
    kind: np.dtype[Any] | None = None
    is_flag: bool = False
    is_filled: bool = False
    edges: tuple[float, ...] | None = None

    @property
    def is_text(self) -> bool:
        """Whether the values are still texts."""
        return any(isinstance(value, str) for value in self.values[~self.refused])

    @property
    def is_category(self) -> bool:
        """Whether each known value is one that an application has."""
        return not self.is_flag and self.edges is None


@dataclass(frozen=True, eq=False)
class Odd:
    """A column that no step may use: a date, a list, texts beside numbers.

    Args:
        field: its name.
        what: its type in the user's frame.
    """

    field: str
    what: str
    kind: np.dtype[Any] | None = None


Usable: TypeAlias = Numeric | Finite
"""What a step may be given."""

Column: TypeAlias = Usable | Odd


def is_null(value: Any) -> bool:
    """Whether a value of a frame is missing: None, NaN or NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))
