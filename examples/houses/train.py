"""Houses: a pipeline that predicts prices, trained on generated sales and stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import xgboost as xgb
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import bentoml_ext

NAME = "house_prices"
NUMBERS = ["area", "rooms", "year", "distance"]
TEXTS = ["district", "condition"]


def sales(n: int = 2_000, seed: int = 7) -> tuple[pd.DataFrame, Any]:
    """Houses with some values that nobody wrote down, and what each was sold for."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "area": random.gamma(9, 14, n).round(1),
            "rooms": random.integers(1, 8, n).astype(float),
            "year": random.integers(1890, 2025, n).astype(float),
            "distance": random.exponential(6, n).round(2),
            "district": random.choice(["north", "south", "harbour", "old town"], n),
            "condition": random.choice(["poor", "fair", "good"], n),
        }
    )
    place = frame["district"].map({"north": 0.8, "south": 1.0, "harbour": 1.4, "old town": 1.6})
    state = frame["condition"].map({"poor": 0.7, "fair": 1.0, "good": 1.2})
    price = frame["area"] * 3_200 * place * state - frame["distance"] * 2_500 + 40_000
    for name in ("rooms", "year", "distance"):
        frame.loc[random.random(n) < 0.1, name] = np.nan
    return frame, (price * random.lognormal(0, 0.08, n)).round(-2).to_numpy()


def trained(frame: pd.DataFrame, prices: Any) -> Pipeline:
    """The pipeline as a data scientist would write it."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = ColumnTransformer(
        [("numbers", numbers, NUMBERS), ("texts", OneHotEncoder(), TEXTS)], sparse_threshold=0
    )
    model = xgb.XGBRegressor(n_estimators=120, max_depth=4, learning_rate=0.1, n_jobs=2)
    return Pipeline([("columns", columns), ("model", model)]).fit(frame, prices)


def main() -> tuple[Pipeline, pd.DataFrame]:
    """Train, compare with the pipeline's own predictions, store; write houses to score.

    Returns:
        The pipeline and the houses to score.
    """
    frame, prices = sales()
    known, asked = frame[:1_600], frame[1_600:]
    pipeline = trained(known, prices[:1_600])
    stored = bentoml_ext.save_model(
        NAME, pipeline, example=known, policy=bentoml_ext.Value("price")
    )
    asked.to_parquet(Path("houses.parquet"), index=False)
    click.echo(f"Stored {stored.tag}. houses.parquet has {len(asked)} houses to score.")
    return pipeline, asked


if __name__ == "__main__":
    main()
