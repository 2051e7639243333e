"""Bounds: the numbers that the steps of a field take, as rules of the field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bentoml_ext.errors import ExportRefused
from bentoml_ext.preprocessing.columns import Finite

__all__ = ["bounds_of"]


def bounds_of(name: str, columns: Sequence[Finite]) -> dict[str, Any]:
    """What the steps refuse of a field's numbers, as its rules.

    Raises:
        ExportRefused: a step refuses a range between others that it takes.
    """
    ranges = [_Taken.of(one) for one in columns if one.edges is not None and one.refused[:-2].any()]
    listed = [set(one.singles) for one in ranges if one.are_singles]
    if listed:
        numbers = sorted(set.intersection(*listed))
        return {"codes": tuple(int(one) if one.is_integer() else one for one in numbers)}
    if any(one.has_gaps for one in ranges):
        raise ExportRefused(
            f"Expected a step that takes single numbers or every number, got one that refuses "
            f"some - at field '{name}'. Set handle_unknown='ignore'."
        )
    low = max((one.low for one in ranges), default=-np.inf)
    high = min((one.high for one in ranges), default=np.inf)
    return {
        "minimum": float(low) if np.isfinite(low) else None,
        "maximum": float(high) if np.isfinite(high) else None,
    }


@dataclass(frozen=True, eq=False)
class _Taken:
    """The ranges of numbers that a step takes: float64, (n, 2), the first and the last of each."""

    taken: npt.NDArray[np.float64]

    @classmethod
    def of(cls, column: Finite) -> _Taken:
        edges = np.array(column.edges, np.float64)
        firsts = np.concatenate([[-np.inf], edges])
        lasts = np.concatenate([np.nextafter(edges, -np.inf), [np.inf]])
        is_taken = ~column.refused[:-2].astype(bool)
        return cls(np.stack([firsts, lasts], axis=1)[is_taken])

    @property
    def are_singles(self) -> bool:
        """Whether each is a single number."""
        return bool((self.taken[:, 0] == self.taken[:, 1]).all())

    @property
    def singles(self) -> list[float]:
        """The numbers, where each range is one."""
        found: list[float] = self.taken[:, 0].tolist()
        return found

    @property
    def low(self) -> float:
        """The least number."""
        return float(self.taken[0, 0])

    @property
    def high(self) -> float:
        """The greatest number."""
        return float(self.taken[-1, 1])

    @property
    def has_gaps(self) -> bool:
        """Whether a number between them is refused."""
        return bool((np.nextafter(self.taken[:-1, 1], np.inf) != self.taken[1:, 0]).any())
