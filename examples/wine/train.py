"""Wine: a classifier of three cultivars on scikit-learn's bundled data, stored with its labels."""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd
import xgboost as xgb
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

import bentoml_ext

NAME = "wine"
LABELS = ("barolo", "grignolino", "barbera")


def wines() -> tuple[pd.DataFrame, pd.Series]:
    """Measurements of 178 wines, and the cultivar of each as 0, 1 or 2."""
    data = load_wine(as_frame=True)
    return data.data, data.target


def trained(frame: pd.DataFrame, cultivars: pd.Series) -> xgb.XGBClassifier:
    """A classifier of several classes."""
    model = xgb.XGBClassifier(n_estimators=40, max_depth=3, learning_rate=0.2, n_jobs=2)
    return model.fit(frame, cultivars)


def main() -> tuple[xgb.XGBClassifier, pd.DataFrame]:
    """Train, compare with the classifier's own predictions, store; write wines to score.

    Returns:
        The classifier and the wines to score.
    """
    frame, cultivars = wines()
    known, asked, outcome, _ = train_test_split(frame, cultivars, random_state=11, test_size=0.25)
    model = trained(known, outcome)
    check = asked.assign(prediction=list(model.predict_proba(asked)))
    check.to_parquet(Path("wine_check.parquet"), index=False)
    stored = bentoml_ext.save_model(
        NAME,
        model,
        encoder=bentoml_ext.Encoder(list(frame)),
        policy=bentoml_ext.Classes(LABELS, key="cultivar"),
        check="wine_check.parquet",
    )
    asked.to_parquet(Path("wines.parquet"), index=False)
    click.echo(f"Stored {stored.tag}. wines.parquet has {len(asked)} wines to score.")
    return model, asked


if __name__ == "__main__":
    main()
