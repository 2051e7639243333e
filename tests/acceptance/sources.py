"""Models to accept: trained by real code, and read from what a file alone holds of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import xgboost
from sklearn.feature_extraction import DictVectorizer

from bentoml_ext.encoders.encoder import Application, Encoder
from bentoml_ext.encoders.reading import Reading
from bentoml_ext.encoders.vectorizer_names import steps_of_names
from models.synthetic import generate

__all__ = ["CHOICES", "ROWS", "Source", "Trained", "applications", "filled", "trained"]

ROWS = 300
CHOICES: dict[str, tuple[Any, ...]] = {
    "absent": ("zero", "missing"),
    "unknown": ("refuse", "zero"),
    "null": ("missing", "zero"),
    "missing": (math.nan, -1.0, 0.0, -999.0),
    "separator": ("=", "_"),
}
"""What a booster's file leaves open."""


@dataclass(frozen=True)
class Source:
    """A booster and the names of its features: what a file holds of a model."""

    model: xgboost.Booster
    encoder: Encoder


@dataclass(frozen=True)
class Trained:
    """A model as its trainer has it.

    Args:
        booster: all of its trees.
        features: names of the columns.
        rows: float32, of `asked`, as the trainer makes them; NaN for missing.
        asked: applications as a client sends them.
    """

    booster: xgboost.Booster
    features: tuple[str, ...]
    rows: npt.NDArray[np.float32]
    asked: Sequence[Application]

    @property
    def predictions(self) -> npt.NDArray[np.float32]:
        """What Booster.predict says."""
        return np.asarray(self.booster.predict(xgboost.DMatrix(self.rows)))

    @property
    def margins(self) -> npt.NDArray[np.float32]:
        """The same as log-odds."""
        return np.asarray(self.booster.predict(xgboost.DMatrix(self.rows), output_margin=True))

    def read(self, reading: Reading) -> Source:
        """The source under a reading."""
        steps = steps_of_names(self.features, reading.separator or "=", list(self.asked[0]))
        plain = Encoder(self.features, steps=steps)
        rules = [
            msgspec.structs.replace(
                field,
                nullable=reading.null is not None and not field.categories,
                unknown=(reading.unknown or "refuse") if field.categories else "refuse",
            )
            for field in plain.fields
        ]
        encoder = Encoder(
            self.features,
            rules,
            steps=steps,
            absent=reading.absent or "zero",
            null=reading.null or "zero",
            missing=reading.missing,
        )
        best = self.booster.attr("best_iteration")
        cut = reading.rounds == "best" and best is not None
        return Source(self.booster[: int(best or 0) + 1] if cut else self.booster, encoder)


@cache
def applications(count: int = ROWS, start: int = 0) -> list[Application]:
    """Generated applications, with nulls among their numbers."""
    return generate(count, start=start).applications()


def filled(some: Sequence[Application]) -> list[dict[str, Any]]:
    """The course's `fillna(0)`."""
    return [{k: 0 if v is None else v for k, v in one.items()} for one in some]


@cache
def trained(
    *,
    sparse: bool = False,
    dense_later: bool = False,
    rounds: int = 30,
    prepare: Callable[[Sequence[Application]], list[dict[str, Any]]] = filled,
    stop_early: bool = False,
    missing: float = np.nan,
    separator: str = "=",
) -> Trained:
    """A model of DictVectorizer and xgboost.train.

    Args:
        sparse: as DictVectorizer has it by default; XGBoost takes its gaps for missing.
        dense_later: the sparse output is made dense before training.
        rounds: of boosting.
        prepare: what the trainer does with nulls.
        stop_early: with a best round before the last.
        missing: of the DMatrix.
        separator: of the DictVectorizer.
    """
    portfolio = generate(1_500, start=10_000)
    known, asked = portfolio.applications(), applications()
    vectorizer = DictVectorizer(sparse=sparse, separator=separator)
    rows, asked_rows = (
        vectorizer.fit_transform(prepare(known)),
        vectorizer.transform(prepare(asked)),
    )
    if dense_later:
        rows, asked_rows = rows.toarray(), asked_rows.toarray()
    how = {"max_depth": 3, "eta": 0.3, "objective": "binary:logistic", "nthread": 2}
    matrix = xgboost.DMatrix(rows, portfolio.defaults, missing=missing)
    stopping: dict[str, Any] = {}
    if stop_early:
        held = xgboost.DMatrix(asked_rows, generate(ROWS).defaults, missing=missing)
        stopping = {"early_stopping_rounds": 6, "evals": [(held, "held")], "verbose_eval": False}
    booster = xgboost.train(how, matrix, rounds, **stopping)
    return Trained(booster, tuple(vectorizer.feature_names_), _cells(asked_rows, missing), asked)


def _cells(rows: Any, missing: float) -> npt.NDArray[np.float32]:
    """Rows as XGBoost sees them: the gaps of a sparse matrix are missing."""
    if hasattr(rows, "tocoo"):
        cells = rows.tocoo()
        made = np.full(rows.shape, np.nan, np.float32)
        made[cells.row, cells.col] = cells.data
    else:
        made = rows.astype(np.float32)
    made[made == np.float32(missing)] = np.nan
    return made
