"""Categories: scikit-learn's encoders of categories, asked about each category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

import numpy as np

from bentoml_ext.errors import ExportRefused
from bentoml_ext.preprocessing.asking import asked
from bentoml_ext.preprocessing.columns import Column, Domain, Finite, Usable, is_null
from bentoml_ext.preprocessing.numbers import check_whole, usable
from bentoml_ext.preprocessing.ranges import among, cut, edges_of

__all__ = ["ENCODERS", "Domains", "as_finite", "encoded"]

Domains: TypeAlias = dict[str, Domain]

ENCODERS: Final = ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder")
"""Classes of scikit-learn that encode each column alone, by its categories."""

MOST_CELLS: Final = 20_000_000


def encoded(step: Any, given: Sequence[Column], domains: Domains, place: str) -> list[Column]:
    """The output of a fitted encoder.

    Args:
        step: of `ENCODERS`.
        given: its input.
        domains: of the fields; those that the encoder knows more categories of grow.
        place: where it stands, for errors.
    """
    columns = usable(given, place)
    finite = [
        as_finite(column, [*known], domains, place)
        for column, known in zip(columns, step.categories_, strict=True)
    ]
    widths = _widths(step, len(columns))
    cells = sum(len(one.values) * width for one, width in zip(finite, widths, strict=True))
    if cells > MOST_CELLS:
        raise ExportRefused(
            f"Expected at most {MOST_CELLS:,} values and columns of categories, got {cells:,} "
            f"- at {place}. Group rare categories: min_frequency, max_categories."
        )
    made = asked(step, finite, widths, place)
    return [replace(one, kind=None) for one in made if isinstance(one, Finite)]


def as_finite(column: Usable, known: list[Any], domains: Domains, place: str) -> Finite:
    """A column as one of few values: those that its encoder knows, and those of the example.

    A number that was scaled, filled in, or is not whole has a range for each category.
    """
    if isinstance(column, Finite):
        if column.is_text:
            _grow(column.field, known, domains)
        return column
    if odd := [one for one in known if isinstance(one, str)]:
        raise ExportRefused(
            f"Expected categories that are numbers, got the text {odd[0]!r:.40} - at {place}, "
            f"field '{column.field}'."
        )
    check_whole(column, place)
    whole = all(float(one).is_integer() for one in known if not is_null(one))
    if column.sums or column.is_filled or not whole:
        numbers = sorted(float(one) for one in known if not is_null(one))
        (edges,) = edges_of([column], among(numbers))
        return cut(column, edges)
    _grow(column.field, known, domains)
    domain = domains[column.field]
    values = domain.values
    return Finite(column.field, domain, values, np.zeros(len(values), np.bool_), column.kind)


def _grow(field: str, known: list[Any], domains: Domains) -> None:
    """Add categories that an encoder knows to a field's domain."""
    domain = domains.get(field) or Domain((), np.nan, None)
    is_whole = not any(isinstance(one, str) for one in (*domain.known, *known))
    listed = [one for one in known if not is_null(one)]
    if is_whole:
        listed = [int(one) for one in listed]
    both = tuple(dict.fromkeys([*domain.known, *listed]))
    other = domain.other
    if is_whole and both:
        # A whole number that no category is.
        other = None if set(both) <= {0, 1} and len(both) == 2 else max(map(abs, both)) + 17
    domains[field] = replace(domain, known=both, other=other)


def _widths(step: Any, n: int) -> list[int]:
    """How many columns the encoder makes of each of its columns."""
    if type(step).__name__ == "OrdinalEncoder":
        return [1] * n
    if type(step).__name__ == "TargetEncoder":
        return [len(step.encodings_) // n] * n
    return [_width(step, at) for at in range(n)]


def _width(step: Any, at: int) -> int:
    rare: Mapping[int, Any] | Sequence[Any] = getattr(step, "infrequent_categories_", None) or []
    width = len(step.categories_[at])
    if len(rare) and rare[at] is not None:
        width -= len(rare[at]) - 1
    dropped = step.drop_idx_
    return width - (dropped is not None and dropped[at] is not None)
