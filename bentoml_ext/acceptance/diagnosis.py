"""Diagnosis: what predictions look like that agree with no reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from bentoml_ext.acceptance.measures import Cut, Mask, Measure, Numbers, Statuses
from bentoml_ext.acceptance.prediction_measures import Labels
from bentoml_ext.acceptance.predictions import Predictions, Wide
from bentoml_ext.acceptance.scoring import Candidate
from bentoml_ext.arrays import Ints, Margins, Rows
from bentoml_ext.objectives.logistic import probabilities

__all__ = ["explained", "reordered"]

NEAR: Final = 2e-6
LAST_BITS: Final = 1e-6
"""Relative: some steps of float32."""
CONSTANT: Final = 1e-4
MANY: Final = 10
MOST: Final = 0.5
OTHER_ORDER: Final = (
    "They are right, and in another order than the applications: join both by their index, as "
    "df.assign(prediction=...) does before rows are shuffled or dropped."
)


def explained(found: Predictions, measure: Measure, margins: Margins, rows: Ints) -> str | None:
    """What the predictions are, as a sentence, if margins of the same rows explain them.

    Args:
        found: the predictions.
        measure: how they were compared.
        margins: float32, (n, n_margins), none of a refused row.
        rows: (n,), of the file.
    """
    if isinstance(measure, Labels) or found.numbers.ndim == 2:
        return None
    if isinstance(measure, Numbers) and not measure.is_of_log_odds:
        theirs, mine = np.sort(found.numbers[rows]), np.sort(measure.mine(margins))
        is_same = len(np.unique(theirs)) >= MANY and _near(theirs, mine.astype(np.float64))
        return OTHER_ORDER if is_same else None
    sigmoids = probabilities(margins[:, 0]).astype(np.float64)
    if isinstance(measure, Cut):
        return _cut(measure.above[rows], sigmoids)
    if isinstance(measure, Statuses):
        return _bands(measure, rows, sigmoids)
    if measure.same(margins, rows).mean() > MOST:
        # A few rows that differ do not show how all were made.
        return None
    theirs = found.numbers[rows]
    wide = margins[:, 0].astype(np.float64)
    reasons = (explain(theirs, sigmoids, wide) for explain in _EXPLANATIONS)
    return next(filter(None, reasons), None)


def _other_class(theirs: Wide, sigmoids: Wide, margins: Wide) -> str | None:
    if _near(theirs, 1 - sigmoids) or _near(theirs, -margins):
        return (
            "They are those of the other class (1 - p): give column 1 of predict_proba, "
            "the class that the booster was trained on as 1."
        )
    return None


def _percent(theirs: Wide, sigmoids: Wide, margins: Wide) -> str | None:
    if theirs.min() >= 0 and theirs.max() > 1 and (np.abs(theirs - 100 * sigmoids) <= 0.51).all():
        return "They are percentages: divide them by 100."
    return None


def _last_bits(theirs: Wide, sigmoids: Wide, margins: Wide) -> str | None:
    for mine, what in ((sigmoids, "probabilities"), (margins, "log-odds")):
        if (np.abs(theirs - mine) <= LAST_BITS * np.maximum(np.abs(mine), 1e-30)).all():
            return (
                f"The {what} differ in their last bits alone: another machine's exponential (a "
                "GPU, macOS) or another version of XGBoost made them. Give log-odds "
                "(output_margin=True), or round them, as .round(6) does."
            )
    return None


def _shuffled(theirs: Wide, sigmoids: Wide, margins: Wide) -> str | None:
    # Numbers that lie beside those of their own rows are in their places.
    is_in_place = _near(theirs, sigmoids) or _near(theirs, margins)
    if is_in_place or len(np.unique(theirs)) < MANY:
        return None
    ordered = np.sort(theirs)
    if _near(ordered, np.sort(sigmoids)) or _near(ordered, np.sort(margins)):
        return OTHER_ORDER
    return None


def _offset(theirs: Wide, sigmoids: Wide, margins: Wide) -> str | None:
    if len(theirs) < 3:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = np.log(theirs) - np.log1p(-theirs)
    for said in (odds, theirs):
        gap = said - margins
        if np.isfinite(gap).all() and np.ptp(gap) <= CONSTANT and abs(gap.mean()) > CONSTANT:
            return (
                f"Each differs by {gap.mean():+.4g} in log-odds: a base_margin or base_score that "
                "the booster does not hold, or a correction afterwards. Give the booster's own."
            )
    return None


def _calibrated(theirs: Wide, sigmoids: Wide, margins: Wide) -> str | None:
    if len(np.unique(theirs)) < MANY or len(np.unique(margins)) < MANY:
        return None
    for sign, what in ((1, "rise"), (-1, "fall")):
        if _follows(sign * theirs, margins):
            return (
                f"They {what} with the booster's margin in every row, and are other numbers: a "
                "calibrated or otherwise post-processed model (CalibratedClassifierCV, a scale). "
                "The import leaves its last step out: check the booster's own predictions."
            )
    return None


_EXPLANATIONS: Final[tuple[Callable[[Wide, Wide, Wide], str | None], ...]] = (
    _other_class,
    _percent,
    _last_bits,
    _shuffled,
    _offset,
    _calibrated,
)


def reordered(candidate: Candidate, rows: Rows, agrees: Callable[[Margins], Mask]) -> str | None:
    """Another order of the columns under which rows agree, as a sentence.

    Args:
        candidate: whose booster is asked.
        rows: float32, (n, n_features), in the encoder's order.
        agrees: whether the margins of these rows do.
    """
    names = candidate.encoder.features
    for order, what in _orders(names):
        if order != list(range(len(names))) and agrees(candidate.margins(rows[:, order])).all():
            return (
                f"With the columns in {what} every row that was tried agrees. Give the features in "
                "the order of the rows that the booster was trained on."
            )
    return None


def _orders(names: tuple[str, ...]) -> Iterator[tuple[list[int], str]]:
    """Which feature stands in each column, in orders that people's code makes."""
    count = range(len(names))
    yield list(reversed(count)), "reversed order"
    yield sorted(count, key=lambda i: names[i]), "the order of their sorted names"
    ranks = sorted(count, key=lambda i: names[i])
    yield sorted(count, key=lambda i: ranks[i]), "the order that sorting their names takes back"
    for number_first, what in ((True, "numbers before categories"), (False, "categories first")):
        yield sorted(count, key=lambda i: ("=" in names[i]) is number_first), what


def _cut(above: Mask, sigmoids: Wide) -> str | None:
    if not above.any() or above.all():
        return None
    low, high = sigmoids[~above].max(), sigmoids[above].min()
    if low < high:
        return (
            f"They agree with a cut-off between {low:.6g} and {high:.6g}: give the probabilities, "
            "or a policy with that cut-off by --policy."
        )
    if sigmoids[above].max() < sigmoids[~above].min():
        return "They are those of the other class: 1 stands for a low probability of the booster."
    return None


def _bands(measure: Statuses, rows: Ints, sigmoids: Wide) -> str | None:
    statuses, bands = measure.decider.statuses, measure.bands[rows]
    cut_offs = []
    for band in range(1, len(statuses)):
        below, above = sigmoids[bands < band], sigmoids[bands >= band]
        if not len(below) or not len(above):
            continue
        if below.max() >= above.min():
            return None
        cut_offs.append(f"{statuses[band]} above {below.max():.6g} to {above.min():.6g}")
    if not cut_offs:
        return None
    return (
        f"They agree with another policy ({', '.join(cut_offs)}): give it with --policy, or the "
        "probabilities."
    )


def _near(theirs: Wide, mine: Wide) -> bool:
    return bool((np.abs(theirs - mine) <= NEAR * np.maximum(1.0, np.abs(mine))).all())


def _follows(theirs: Wide, margins: Wide) -> bool:
    """Whether a greater margin never has a smaller prediction."""
    order = np.lexsort((theirs, margins))
    return bool((np.diff(theirs[order]) >= -LAST_BITS).all())
