"""Scorecard: the risk of default, in points of about 1/100 of log-odds, and who defaults by it.

What the points weigh is common sense about consumer credit, not a finding. They are not the trained
model: they only have to be something that a model can learn, and leave as much to chance as life.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from models.draws import Draws, Whole
from models.population import Columns

__all__ = ["defaults", "points"]

# By place in the field's list of categories, "unk" last.
_HOME: Final = np.array((55, -45, 15, 60, -15, 45, 60))
_MARITAL: Final = np.array((0, -15, 15, 80, 60, 40))
_RECORDS: Final = np.array((0, 155, 60))
_JOB: Final = np.array((-10, 130, 0, 75, 60))
_BASE: Final = -112

# Logistic chance in points: the quantiles at k/64; the ends stand for the tails.
_LUCK: Final = (
    -650, *(round(104 * math.log(k / (64 - k))) for k in range(1, 64)), 650,
)  # fmt: skip


def points(columns: Columns) -> Whole:
    """Risk, the higher the likelier to default; the money fields with 0 for "not given"."""
    left = columns["income"] - columns["expenses"] - columns["debt"] // 60
    instalment = columns["amount"] * 13 // (10 * columns["time"])
    short = np.clip(instalment * 2 + 60 - left, -125, 100)
    financed = 100 * columns["amount"] // columns["price"]
    total = (
        _BASE
        + _HOME[columns["home"]]
        + _MARITAL[columns["marital"]]
        + _RECORDS[columns["records"]]
        + _JOB[columns["job"]]
        - 10 * np.minimum(columns["seniority"], 20)
        + short
        + np.clip(3 * (financed - 70), -100, 120)
        - np.minimum(columns["assets"], 12_000) // 150
    )
    # Bad records weigh more on an income that is not steady.
    unsteady: Whole = total + 75 * ((columns["records"] == 1) & (columns["job"] != 0))
    return unsteady


def defaults(draws: Draws, columns: Columns) -> Whole:
    """1 where the applicant defaults: a logistic chance of `points`."""
    return (points(columns) + draws.along("luck", (_LUCK,)) > 0).astype(np.int64)
