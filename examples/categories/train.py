"""Categories: a credit model on XGBoost's own categories behind a pipeline, stored."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pandas as pd
import xgboost as xgb
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

import bentoml_ext
from bentoml_ext.arrays import Ints
from models.fields import FIELDS
from models.policy import POLICY
from models.synthetic import generate

NAME = "credit_by_categories"
AMOUNTS = ["income", "assets", "debt"]
CATEGORIES = [field.name for field in FIELDS if field.categories]


def applications(n: int = 3_000, seed: int = 5) -> tuple[pd.DataFrame, Ints]:
    """Generated applications with texts as pandas' categories, and which of them defaulted."""
    made = generate(n, seed)
    frame = pd.DataFrame(made.applications()).astype(dict.fromkeys(AMOUNTS, float))
    return frame.astype(dict.fromkeys(CATEGORIES, "category")), made.defaults.astype(np.int64)


def trained(frame: pd.DataFrame, defaults: Ints) -> Pipeline:
    """Logarithms of amounts; categories and all other columns reach XGBoost as they are."""
    columns = ColumnTransformer(
        [("amounts", FunctionTransformer(np.log1p, feature_names_out="one-to-one"), AMOUNTS)],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    model = xgb.XGBClassifier(
        n_estimators=80, max_depth=4, learning_rate=0.1, enable_categorical=True, n_jobs=2
    )
    return make_pipeline(columns, model).fit(frame, defaults)


def main() -> tuple[Pipeline, pd.DataFrame]:
    """Train, compare with the pipeline's own predictions, store; write applications to score.

    Returns:
        The pipeline and the applications to score.
    """
    frame, defaults = applications()
    known, asked = frame[:2_400], frame[2_400:]
    pipeline = trained(known, defaults[:2_400])
    stored = bentoml_ext.save_model(NAME, pipeline, example=known, policy=POLICY)
    asked.to_parquet(Path("applications.parquet"), index=False)
    click.echo(f"Stored {stored.tag}. applications.parquet has {len(asked)} to score.")
    return pipeline, asked


if __name__ == "__main__":
    main()
