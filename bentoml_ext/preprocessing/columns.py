"""Columns: what has become of the fields of an application between two steps of a pipeline.

A number is followed as sums. A category has few values, so each step is asked what it makes of all
of them, and so is asked of an indicator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from bentoml_ext.encoders.steps import Sum

__all__ = ["OTHER", "Column", "Domain", "Finite", "Numeric", "is_null"]

Objects: TypeAlias = npt.NDArray[np.object_]

OTHER: Final = "\ufdd0 a text that no encoder has seen"
"""Stands for every text without a place of its own; Unicode never gives its first character."""


@dataclass(frozen=True)
class Domain:
    """The values that a field may have.

    Args:
        known: categories, texts or whole numbers; of an indicator, one that stands for all numbers.
        null: what null is in the user's frames: None or NaN.
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
class Numeric:
    """A number after some sums.

    Args:
        field: whose number it is.
        kind: float32, float64, int64 or bool.
        sums: as `Number.sums`.
        single: whether all of them were in float32.
        low, high: as `Number`.
        null: what null has become; NaN while nothing has filled it in.
        is_filled: whether a step has filled it in.
    """

    field: str
    kind: np.dtype[Any]
    sums: tuple[Sum, ...] = ()
    single: bool = False
    low: float | None = None
    high: float | None = None
    null: float = float("nan")
    is_filled: bool = False

    @property
    def is_as_given(self) -> bool:
        """Whether nothing but null has changed."""
        return not self.sums and self.low is None and self.high is None


@dataclass(frozen=True, eq=False)
class Finite:
    """A category, or an indicator, after some steps.

    Args:
        field: whose values they are.
        domain: of the field.
        values: object, (known + 2,): what has become of each value of the domain.
        refused: bool, as `values`: the values that a step has refused.
        kind: the type of a number in the user's frame; None of texts, and once a step has changed
            the values.
        is_flag: whether the known value stands for all numbers.
        is_filled: whether a step has filled null in.
    """

    field: str
    domain: Domain
    values: Objects
    refused: npt.NDArray[np.bool_]
    kind: np.dtype[Any] | None = None
    is_flag: bool = False
    is_filled: bool = False

    @property
    def is_text(self) -> bool:
        """Whether the values are still texts."""
        return any(isinstance(value, str) for value in self.values[~self.refused])


Column: TypeAlias = Numeric | Finite


def is_null(value: Any) -> bool:
    """Whether a value of a frame is missing: None, NaN or NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))
