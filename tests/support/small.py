"""A small model, trained in milliseconds, and the comparison by bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost

from bentoml_ext.arrays import Margins, Rows
from bentoml_ext.decisions.policy import Band, Bands
from bentoml_ext.encoders.encoder import Application, Encoder

__all__ = [
    "APPLICATION",
    "FEATURES",
    "assert_same_bits",
    "booster",
    "column",
    "encoder",
    "policy",
    "rows",
]

FEATURES = ("age", "home=owner", "home=rent", "income")
APPLICATION: Application = {"age": 41, "home": "rent", "income": 1.5}


def rows(n: int, seed: int = 0) -> Rows:
    """Rows for `FEATURES`, categories as 0 and 1; every tenth number is missing."""
    random = np.random.default_rng(seed)
    made = random.normal(size=(n, len(FEATURES))).astype(np.float32)
    made[:, 1:3] = made[:, 1:3] > 0
    made[random.random(made.shape) < 0.1] = np.nan
    return made


def booster(seed: int = 0, rounds: int = 12, **parameters: Any) -> xgboost.Booster:
    """A booster on rows without feature names."""
    made = rows(300, seed)
    label = np.nan_to_num(made[:, 0] + made[:, 3]) > 0.2
    parameters = {"max_depth": 3, "objective": "binary:logistic", "nthread": 1} | parameters
    return xgboost.train(parameters, xgboost.DMatrix(made, label=label), rounds)


def encoder() -> Encoder:
    """The encoder of `FEATURES`; no application lacks a number."""
    return Encoder(FEATURES, missing=np.nan)


def policy(
    key: str = "Status",
    bands: tuple[Band, ...] = (Band(0.5, "DECLINED"), Band(0.3, "MAYBE")),
    otherwise: str = "APPROVED",
) -> Bands:
    """Bands over the probability, those of the preset by default."""
    return Bands(key, bands, otherwise)


def column(*margins: float | np.floating[Any]) -> Margins:
    """Margins of rows with one each: float32, (n, 1)."""
    return np.array(margins, np.float32)[:, None]


def assert_same_bits(*, expected: npt.NDArray[Any], got: npt.NDArray[Any]) -> None:
    """Both are float32 and equal bit for bit, so that NaN and the sign of zero count too."""
    assert got.dtype == expected.dtype == np.float32
    assert got.shape == expected.shape
    differ = np.flatnonzero(got.view(np.uint32) != expected.view(np.uint32))
    assert not differ.size, f"{differ.size} differ, first at {differ[0]}"
