"""Churn: a course's pipeline of DictVectorizer and XGBClassifier on generated customers, stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import skops.io
import xgboost as xgb
from sklearn.feature_extraction import DictVectorizer
from sklearn.pipeline import Pipeline, make_pipeline

import bentoml_ext

NAME = "churn"
POLICY = bentoml_ext.Bands("decision", (bentoml_ext.Band(0.5, "call"),), "leave alone")

SERVICES = ("onlinesecurity", "onlinebackup", "deviceprotection", "techsupport", "streamingtv")
PAYMENTS = (
    "electronic_check",
    "mailed_check",
    "bank_transfer_(automatic)",
    "credit_card_(automatic)",
)


def customers(n: int = 3_000, seed: int = 1) -> tuple[pd.DataFrame, Any]:
    """Customers of a telephone company, and which of them left."""
    random = np.random.default_rng(seed)
    contract = random.choice(["month-to-month", "one_year", "two_year"], n, p=[0.55, 0.21, 0.24])
    internet = random.choice(["fiber_optic", "dsl", "no"], n, p=[0.44, 0.34, 0.22])
    tenure = random.integers(0, 73, n)
    price = {"fiber_optic": 75.0, "dsl": 45.0, "no": 20.0}
    monthly = np.round([price[one] for one in internet] + random.gamma(4, 4, n), 2)
    frame = pd.DataFrame(
        {
            "gender": random.choice(["female", "male"], n),
            "seniorcitizen": random.choice([0, 1], n, p=[0.84, 0.16]),
            "partner": random.choice(["yes", "no"], n),
            "dependents": random.choice(["yes", "no"], n, p=[0.3, 0.7]),
            "phoneservice": random.choice(["yes", "no"], n, p=[0.9, 0.1]),
            "internetservice": internet,
            **{name: _service(random, internet) for name in SERVICES},
            "contract": contract,
            "paperlessbilling": random.choice(["yes", "no"], n, p=[0.6, 0.4]),
            "paymentmethod": random.choice(PAYMENTS, n),
            "tenure": tenure,
            "monthlycharges": monthly,
            "totalcharges": np.round(tenure * monthly * random.uniform(0.95, 1.05, n), 2),
        }
    )
    log_odds = (
        1.6 * (contract == "month-to-month")
        + 0.9 * (internet == "fiber_optic")
        - 0.05 * tenure
        - 0.5 * (frame["techsupport"] == "yes")
        + 0.4 * (frame["paymentmethod"] == "electronic_check")
        - 1.0
    )
    return frame, (random.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int).to_numpy()


def _service(random: np.random.Generator, internet: Any) -> Any:
    has = random.choice(["yes", "no"], len(internet))
    return np.where(internet == "no", "no_internet_service", has)


def trained(records: list[dict[str, Any]], left: Any) -> Pipeline:
    """The pipeline of the course's third week, with XGBoost in the place of the regression."""
    model = xgb.XGBClassifier(n_estimators=80, max_depth=3, learning_rate=0.1, n_jobs=2)
    return make_pipeline(DictVectorizer(sparse=False), model).fit(records, left)


def main() -> tuple[Pipeline, pd.DataFrame]:
    """Train, compare with the pipeline's own predictions, store; write customers to score.

    Returns:
        The pipeline and the customers to score.
    """
    frame, left = customers()
    known, asked = frame[:2_400], frame[2_400:]
    records = known.to_dict(orient="records")
    pipeline = trained(records, left[:2_400])
    held = asked.to_dict(orient="records")
    check = asked.assign(prediction=pipeline.predict_proba(held)[:, 1])
    check.to_parquet(Path("churn_check.parquet"), index=False)
    skops.io.dump(pipeline, Path("pipeline.skops"))
    stored = bentoml_ext.save_model(
        NAME, pipeline, example=records, policy=POLICY, check="churn_check.parquet"
    )
    asked.to_parquet(Path("customers.parquet"), index=False)
    click.echo(f"Stored {stored.tag}. customers.parquet has {len(asked)} customers to score.")
    return pipeline, asked


if __name__ == "__main__":
    main()
