"""Stability: how far two distributions lie apart, with what chance alone would give."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from bentoml_ext.arrays import Ints, Rows
from bentoml_ext.compare.interval import LEVEL
from bentoml_ext.encoders.encoder import Encoder
from bentoml_ext.encoders.steps import Number

__all__ = ["RULE", "FieldShift", "Stability", "field_shifts", "of_counts", "of_values"]

BINS: Final = 10
RULE: Final = "below 0.1 small, to 0.25 moderate, above large"

FNV: Final = np.uint64(0x100000001B3)
"""Fowler, Noll and Vo's: one sort of hashes takes the place of one for each column."""

Values: TypeAlias = npt.NDArray[Any]


class Stability(msgspec.Struct, frozen=True, kw_only=True):
    """The population stability index of two samples.

    Args:
        psi: the index.
        n, m: applications of the first and of the second sample.
        bins: that were compared.
        critical: what 5 % of pairs of samples of one distribution would exceed; of several fields,
            what any of them would.
        first, second: counts in each bin.
        rule: the rule of thumb, which knows nothing of n and m.
    """

    psi: float
    n: int
    m: int
    bins: int
    critical: float
    first: list[int]
    second: list[int]
    rule: str = RULE

    @property
    def is_clear(self) -> bool:
        """Whether it is more than chance would give."""
        return self.psi > self.critical


class FieldShift(msgspec.Struct, frozen=True):
    """How far the values of a field lie apart.

    Args:
        field: its name.
        csi: the characteristic stability index.
    """

    field: str
    csi: Stability


def of_values(first: Values, second: Values, tests: int = 1) -> Stability | None:
    """The index of numbers, in tenths of the first sample; None where one is empty.

    Args:
        first, second: numbers; NaN has a bin of its own.
        tests: as in `of_counts`.
    """
    if not len(first) or not len(second):
        return None
    given = first[~np.isnan(first)]
    distinct = np.unique(given)
    if len(distinct) <= BINS:
        edges = (distinct[1:] + distinct[:-1]) / 2
    else:
        # Places in whole numbers: an interpolated edge may lie a rounding above its own value.
        places = np.arange(1, BINS) * (len(given) - 1) // BINS
        edges = np.unique(np.partition(given, places)[places])
    return of_counts(_counts(first, edges), _counts(second, edges), tests)


def of_counts(first: Ints, second: Ints, tests: int = 1) -> Stability | None:
    """The index of counts by bin; None where one is empty or all is in one bin.

    An empty bin counts as half an application: of nothing there is no logarithm.

    Args:
        first, second: counts, (bins,).
        tests: indices that are looked at together; chance lifts one of them in 5 % of all cases.

    Source:
        Yurdakul and Naranjo, "Statistical properties of the population stability index", 2020: the
        index is near (1/n + 1/m) times a chi-squared of one degree less than bins.
    """
    used = (first + second) > 0
    first, second = first[used], second[used]
    n, m, bins = int(first.sum()), int(second.sum()), len(first)
    if bins < 2 or not n or not m:
        return None
    from scipy.stats import chi2  # type: ignore[import-untyped]

    shares, others = (np.where(one == 0, 0.5, one) / one.sum() for one in (first, second))
    psi = float(((others - shares) * np.log(others / shares)).sum())
    critical = float(chi2.ppf(1 - (1 - LEVEL) / tests, bins - 1)) * (1 / n + 1 / m)
    counts = first.tolist(), second.tolist()
    return Stability(
        psi=psi, n=n, m=m, bins=bins, critical=critical, first=counts[0], second=counts[1]
    )


def field_shifts(encoder: Encoder, first: Rows, second: Rows) -> list[FieldShift]:
    """The index of each field of two samples of rows, the greatest first.

    Args:
        encoder: that made the rows.
        first, second: float32, (n, n_features).
    """
    found = []
    for field, steps in zip(encoder.fields, encoder.steps_by_field, strict=True):
        columns = [column for step in steps for column in step.columns_filled]
        if all(isinstance(step, Number) for step in steps):
            csi = of_values(first[:, columns[0]], second[:, columns[0]], len(encoder.fields))
        else:
            csi = _of_patterns(first[:, columns], second[:, columns], len(encoder.fields))
        if csi is not None:
            found.append(FieldShift(field.name, csi))
    return sorted(found, key=lambda one: -one.csi.psi)


def _of_patterns(first: Rows, second: Rows, tests: int) -> Stability | None:
    """The index of categories: each pattern of cells is one."""
    hashes = np.zeros(len(first) + len(second), np.uint64)
    for column in np.concatenate([first, second]).T:
        # Zero of either sign is one number.
        bits = (np.nan_to_num(column, nan=-1.0) + np.float32(0)).view(np.uint32)
        hashes = (hashes ^ bits) * FNV
    _, codes = np.unique(hashes, return_inverse=True)
    most = int(codes.max(initial=0)) + 1
    return of_counts(
        np.bincount(codes[: len(first)], minlength=most),
        np.bincount(codes[len(first) :], minlength=most),
        tests,
    )


def _counts(values: Values, edges: Values) -> Ints:
    missing = np.isnan(values)
    places = np.searchsorted(edges, values[~missing], side="right")
    counts = np.bincount(places, minlength=len(edges) + 1)
    return np.append(counts, int(missing.sum())).astype(np.int64)
