"""Models as people keep them: trained here, and kept in BentoML's store or in a file."""

from __future__ import annotations

from typing import Any

import bentoml
import numpy as np
import numpy.typing as npt
import xgboost
from sklearn.feature_extraction import DictVectorizer

__all__ = ["applications", "kept", "outcomes", "probabilities", "trained"]


def applications(n: int = 400, seed: int = 0) -> list[dict[str, Any]]:
    """Applications with two numbers and two categories."""
    random = np.random.default_rng(seed)
    homes, jobs = ["owner", "rent", "parents"], ["fixed", "freelance"]
    return [
        {
            "age": int(random.integers(18, 80)),
            "home": homes[random.integers(3)],
            "income": float(np.round(random.gamma(2, 60), 2)) if random.random() > 0.2 else 0.0,
            "job": jobs[random.integers(2)],
        }
        for _ in range(n)
    ]


def outcomes(made: list[dict[str, Any]], seed: int = 1) -> npt.NDArray[np.int64]:
    """Who defaulted: by age, income and home, with noise."""
    random = np.random.default_rng(seed)
    risk = [
        0.8 * (one["age"] < 35) - 0.01 * (one["income"] or 0) + (one["home"] == "rent")
        for one in made
    ]
    found: npt.NDArray[np.int64] = (np.array(risk) + random.normal(0, 0.6, len(made)) > 0).astype(
        np.int64
    )
    return found


def trained(rows: Any, label: Any, rounds: int = 30, **parameters: Any) -> xgboost.Booster:
    """A booster on rows of any kind."""
    parameters = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1} | parameters
    return xgboost.train(parameters, xgboost.DMatrix(rows, label=label), rounds)


def probabilities(booster: xgboost.Booster, rows: Any) -> npt.NDArray[np.float32]:
    """The model's own answers."""
    found: npt.NDArray[np.float32] = booster.predict(xgboost.DMatrix(rows))
    return found


def kept(name: str, model: Any, vectorizer: DictVectorizer, **objects: Any) -> str:
    """The tag of a model that was saved as the course does."""
    objects = {"DictVectorizer": vectorizer, **objects}
    return str(bentoml.xgboost.save_model(name, model, custom_objects=objects).tag)
