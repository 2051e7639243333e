"""Reading: the options under which a source becomes an encoder."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal, Self, TypeAlias

from bentoml_ext.encoders.encoder import MissingValue, Unknown

__all__ = ["SWITCHES", "Reading", "Rounds"]

Rounds: TypeAlias = Literal["best", "all"]


@dataclass(frozen=True)
class Reading:
    """How a source is read where it does not say so itself; None is undecided.

    Args:
        absent: what a column holds for which the application has no entry: 0, or missing (NaN).
        null: what a number becomes that is null; undecided, null is refused.
        unknown: what becomes of a category without a column of its own. The application is refused,
            or every column of its field is as if it were absent.
        rounds: which boosting rounds count where training stopped early.
        missing: a number that means missing besides NaN, as an estimator's `missing=`.
        separator: what stands between field and category in a feature name.
    """

    absent: MissingValue | None = None
    null: MissingValue | None = None
    unknown: Unknown | None = None
    rounds: Rounds | None = None
    missing: float | None = None
    separator: str | None = None

    def decided(self) -> Iterator[tuple[str, Any]]:
        """Name and value of every part that is decided."""
        for part in fields(self):
            if (value := getattr(self, part.name)) is not None:
                yield part.name, value

    def over(self, other: Reading) -> Self:
        """The same, with the other's word where this one is undecided."""
        return replace(self, **{**dict(other.decided()), **dict(self.decided())})

    def switches(self) -> str:
        """The options of `bentoml ext import` that say the same, as one types them."""
        return " ".join(f"--{name} {_word(value)}" for name, value in self.decided())


SWITCHES: Final = tuple(part.name for part in fields(Reading))
"""Names of the parts of a reading; each is an option of `bentoml ext import`."""


def _word(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return "nan" if math.isnan(value) else f"{value:.9g}"
