"""Impact: how often each group gets the best answer, beside a group of reference; no verdict."""

from __future__ import annotations

from math import exp, log, sqrt

import msgspec
import numpy as np

from bentoml_ext.arrays import Bools
from bentoml_ext.compare.beside import Beside
from bentoml_ext.compare.interval import NORMAL, Interval, wilson
from bentoml_ext.errors import ConfigError

__all__ = ["Impact", "ImpactGroup", "ImpactRate", "impact", "ratio"]


class ImpactRate(msgspec.Struct, frozen=True, kw_only=True):
    """A group on one side of the comparison.

    Args:
        count: applications.
        approved: of them with the best answer.
        rate: their share with Wilson's interval; None of nobody.
        ratio: the adverse-impact ratio, the rate over that of the reference. None of the reference
            itself, of nobody, and where nobody of the reference is approved.
    """

    count: int
    approved: int
    rate: Interval | None
    ratio: Interval | None


class ImpactGroup(msgspec.Struct, frozen=True):
    """A group on both sides.

    Args:
        group: its value in the column.
        first, second: champion and challenger, or the first and the second file.
    """

    group: str
    first: ImpactRate
    second: ImpactRate


class Impact(msgspec.Struct, frozen=True):
    """Adverse-impact ratios: figures, from which nothing is concluded here.

    Args:
        column: whose values are the groups.
        reference: the group that the others are compared with.
        groups: the largest first.
    """

    column: str
    reference: str
    groups: list[ImpactGroup]


def impact(
    column: str,
    reference: str,
    first: tuple[Beside, Bools],
    second: tuple[Beside, Bools],
) -> Impact | None:
    """The groups of a column.

    Args:
        column: named by the user; empty for None.
        reference: a group; empty for the largest of the first side.
        first, second: the applications, and who has the best answer, bool, (n,).

    Raises:
        ConfigError: no application of the group of reference.
    """
    if not column:
        return None
    counts = [_counts(*side) for side in (first, second)]
    names = sorted({*counts[0], *counts[1]}, key=lambda name: (-counts[0].get(name, (0,))[0], name))
    if reference and reference not in counts[0]:
        raise ConfigError(
            f"Expected a group of {', '.join(names)}, got '{reference}' - at --impact {column}."
        )
    against = reference or names[0]
    groups = [ImpactGroup(name, *(_rate(side, name, against) for side in counts)) for name in names]
    return Impact(column, against, groups)


def ratio(approved: int, count: int, against: int, of: int) -> Interval | None:
    """The ratio of two shares with Katz's interval; None where the second is 0 or of nobody.

    Where nobody of the group is approved, the interval ends at that of half an application.
    """
    if not count or not against:
        return None
    value = (approved / count) / (against / of)
    least = approved or 0.5
    middle = (least / count) / (against / of)
    half = NORMAL * sqrt(1 / least - 1 / count + 1 / against - 1 / of)
    high = exp(log(middle) + half)
    return Interval(value, exp(log(middle) - half) if approved else 0.0, high)


def _counts(beside: Beside, approved: Bools) -> dict[str, tuple[int, int]]:
    """By group, its applications and those that are approved."""
    groups = np.zeros(0, np.int64) if beside.groups is None else beside.groups
    most = len(beside.names)
    every, some = (np.bincount(part, minlength=most) for part in (groups, groups[approved]))
    pairs = zip(beside.names, every.tolist(), some.tolist(), strict=True)
    return {name: (count, found) for name, count, found in pairs if count}


def _rate(side: dict[str, tuple[int, int]], name: str, against: str) -> ImpactRate:
    count, approved = side.get(name, (0, 0))
    of, reference = side.get(against, (0, 0))
    found = None if name == against else ratio(approved, count, reference, of)
    return ImpactRate(count=count, approved=approved, rate=wilson(approved, count), ratio=found)
