"""Bins: scikit-learn's steps that cut each number into ranges, found by asking them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from bentoml_ext.preprocessing.asking import asked, transformed
from bentoml_ext.preprocessing.columns import Column, Numeric, Usable
from bentoml_ext.preprocessing.numbers import block_kind, check_whole, of_numbers
from bentoml_ext.preprocessing.ranges import Doubles, Ranks, cut, edges_of

__all__ = ["CUTTERS", "binned"]

CUTTERS: Final = ("KBinsDiscretizer", "Binarizer")
"""Classes of scikit-learn that make few values of a number."""


def binned(step: Any, given: Sequence[Column], place: str) -> list[Usable]:
    """The output of a fitted KBinsDiscretizer or Binarizer.

    Raises:
        ExportRefused: texts.
    """
    columns = of_numbers(given, place)
    kind = block_kind(columns)
    numbers = [(at, column) for at, column in enumerate(columns) if isinstance(column, Numeric)]
    coder = _coder(step)
    finite: list[Usable] = list(columns)
    for _, column in numbers:
        check_whole(column, place)
    if numbers:
        places = [at for at, _ in numbers]

        def ranks(values: Doubles) -> Ranks:
            rows = np.zeros((len(values), len(columns)), kind)
            # No step takes an infinity.
            rows[:, places] = values.clip(np.finfo(kind).min, np.finfo(kind).max)
            return transformed(coder, rows)[:, places].astype(np.int64)

        edges = edges_of([column for _, column in numbers], ranks)
        for (at, column), own in zip(numbers, edges, strict=True):
            finite[at] = cut(column, own, kind)
    made = asked(step, finite, _widths(step, len(columns)), place)
    return list(made)


def _coder(step: Any) -> Any:
    """A step that gives the rank of each number's range."""
    coder = copy.copy(step)
    if hasattr(coder, "feature_names_in_"):
        del coder.feature_names_in_
    if type(step).__name__ == "KBinsDiscretizer":
        coder.encode = "ordinal"
    return coder


def _widths(step: Any, n: int) -> list[int]:
    """How many columns it makes of each of its columns."""
    if getattr(step, "encode", "ordinal") == "ordinal":
        return [1] * n
    return [int(width) for width in step.n_bins_]
