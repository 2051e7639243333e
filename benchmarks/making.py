"""Makes small XGBoost models of every kind, the same ones every time."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from bentoml_ext.arrays import Rows

__all__ = [
    "CODES",
    "OBJECTIVES",
    "VERSION",
    "continued",
    "fit",
    "objective",
    "reloaded",
    "sliced",
    "stopped_booster",
    "train",
]

_N, _FEATURES, _ROUNDS = 400, 5, 6
VERSION: Final = tuple(int(part) for part in xgb.__version__.split(".")[:2])
Labels = npt.NDArray[np.float64]


def _rows(kind: str = "numbers") -> Rows:
    """float32, (400, 5): full or with gaps; whole numbers, bits or two columns of codes."""
    generator = np.random.default_rng(7)
    rows = generator.normal(size=(_N, _FEATURES)).astype(np.float32)
    if kind == "whole":
        rows = np.round(rows * 3)
    if kind == "bits":
        rows[:, :2] = rows[:, :2] > 0
        rows[:, 2] = np.round(rows[:, 2] * 3)
    if kind == "many codes":
        rows[:, 0] = generator.integers(0, 300, _N)
        rows[:, 3] = generator.integers(0, 100, _N)
    if kind == "codes":
        rows[:, 0] = generator.integers(0, 60, _N)
        rows[:, 3] = generator.integers(0, 4, _N)
    if kind not in ("full", "even"):
        rows[generator.random(rows.shape) < 0.1] = np.nan
    return rows


def _labels(kind: str, rows: Rows) -> Labels:
    """float64, (400,) or (400, 3)."""
    generator = np.random.default_rng(11)
    known = np.nan_to_num(rows).astype(np.float64)
    score = known[:, 1] - known[:, 2] * known[:, 4] + 0.5 * np.sin(known[:, 0])
    score += generator.normal(scale=0.5, size=_N)
    kinds: dict[str, Any] = {
        "binary": score > 0.3,
        "classes": np.digitize(score, [-0.7, 0.7]),
        "positive": np.exp(score / 3),
        "counts": generator.poisson(np.exp(score / 3)),
        "three": np.stack([score, known[:, 0] + score / 2, known[:, 1] ** 2], axis=1),
        "labels": np.stack([score > 0, score > 1, known[:, 0] > 0], axis=1),
        "survival": np.exp(score / 3) * generator.choice([-1.0, 1.0], _N),
        "score": score,
    }
    labels: Labels = kinds[kind].astype(np.float64)
    return labels


def _matrix(labels: str, rows: str, how: Mapping[str, Any]) -> xgb.DMatrix:
    values = _rows(rows)
    if rows == "even":
        # As many of one label as of the other: nothing to find, and a gradient of exactly 0.
        return xgb.DMatrix(values, label=np.arange(_N) % 2, **how)
    if labels == "interval":
        matrix = xgb.DMatrix(values, **how)
        lower = _labels("positive", values)
        matrix.set_float_info("label_lower_bound", lower)
        matrix.set_float_info("label_upper_bound", lower + 1)
        return matrix
    return xgb.DMatrix(values, label=_labels(labels, values), **how)


def train(
    labels: str,
    *,
    rows: str = "numbers",
    rounds: int = _ROUNDS,
    how: Mapping[str, Any] | None = None,
    **params: Any,
) -> xgb.Booster:
    """A booster. `how` is for the DMatrix."""
    matrix = _matrix(labels, rows, how or {})
    return xgb.train({"nthread": 1} | _depth(params) | params, matrix, num_boost_round=rounds)


def _depth(params: Mapping[str, Any]) -> dict[str, Any]:
    """Shallow trees by default; XGBoost warns of a depth that a linear model does not use."""
    return {} if params.get("booster") == "gblinear" else {"max_depth": 3}


def fit(
    estimator: type[xgb.XGBModel],
    labels: str,
    *,
    rows: str = "numbers",
    stop: bool = False,
    how: Mapping[str, Any] | None = None,
    **params: Any,
) -> xgb.XGBModel:
    """An estimator; `how` is for its fit, `stop` stops it early on the last hundred rows."""
    values = _rows(rows)
    target = _labels(labels, values)
    params = {"n_estimators": _ROUNDS, "n_jobs": 1} | _depth(params) | params
    if not stop:
        return estimator(**params).fit(values, target, **(how or {}))
    model = estimator(**params | {"early_stopping_rounds": 3, "n_estimators": 80})
    held_out = [(values[300:], target[300:])]
    return model.fit(values[:300], target[:300], eval_set=held_out, verbose=False)


def reloaded(suffix: str, rounds: int = _ROUNDS) -> xgb.Booster:
    """A booster that went through a file, .json or .ubj."""
    booster, again = train("binary", objective="binary:logistic", rounds=rounds), xgb.Booster()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model.{suffix}"
        booster.save_model(path)
        again.load_model(path)
    return again


def continued(rounds: int = _ROUNDS) -> xgb.Booster:
    """Four rounds on top of a booster, with another learning rate."""
    matrix = _matrix("binary", "numbers", {})
    first = train("binary", objective="binary:logistic", rounds=rounds)
    return xgb.train({"objective": "binary:logistic", "eta": 0.1}, matrix, 4, xgb_model=first)


def sliced(start: int, end: int, **params: Any) -> xgb.Booster:
    """Some rounds of a booster with eight."""
    return train(rounds=8, **params)[start:end]


def stopped_booster() -> xgb.Booster:
    """Stopped early: a Booster predicts with all of its trees none the less."""
    matrix = _matrix("binary", "numbers", {})
    first, rest = matrix.slice(list(range(300))), matrix.slice(list(range(300, _N)))
    params = {"objective": "binary:logistic"}
    return xgb.train(
        params, first, 80, evals=[(rest, "rest")], early_stopping_rounds=3, verbose_eval=False
    )


OBJECTIVES: Final = {
    "binary:logistic": "binary",
    "binary:logitraw": "binary",
    "binary:hinge": "binary",
    "reg:squarederror": "score",
    "reg:squaredlogerror": "positive",
    "reg:absoluteerror": "score",
    "reg:pseudohubererror": "score",
    "reg:logistic": "binary",
    "count:poisson": "counts",
    "reg:gamma": "positive",
    "reg:tweedie": "counts",
    "survival:aft": "interval",
    "survival:cox": "survival",
    "multi:softprob": "classes",
    "multi:softmax": "classes",
    "rank:ndcg": "binary",
    "rank:map": "binary",
    "rank:pairwise": "binary",
    "reg:quantileerror": "score",
} | ({"reg:expectileerror": "score"} if VERSION >= (3, 3) else {})
_QUERIES: Final = {"qid": np.repeat(np.arange(20), _N // 20)}
CODES: Final = {"feature_types": ["c", "q", "q", "c", "q"], "enable_categorical": True}


def objective(name: str, **more: Any) -> xgb.Booster:
    """A booster with this objective."""
    extra: dict[str, Any] = {"objective": name}
    if name.startswith("multi"):
        extra["num_class"] = 3
    if name in ("reg:quantileerror", "reg:expectileerror"):
        extra[name.removeprefix("reg:").replace("error", "_alpha")] = 0.7
    if name.startswith("rank"):
        extra["how"] = _QUERIES
    return train(OBJECTIVES[name], **extra | more)
