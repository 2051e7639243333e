"""Readers: the files and stored models that a reader of the pages brings, made of few rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
import onnx
import pandas as pd
import skops.io
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction import DictVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import bentoml_ext
from bentoml_ext.export import pipeline_to_onnx, to_onnx
from models.synthetic import generate
from tests.support.homes import store_of
from tests.support.kept import kept, probabilities, trained

__all__ = ["Reader"]

ROUNDS = 12
CHECKED = 300


@dataclass(frozen=True)
class Reader:
    """Somebody who trained on the fields of the credit model, in the course's way.

    Args:
        raw: applications without a null.
        vectorizer: that made the rows.
        rows: of the applications, sparse.
        defaults: their outcomes.
        booster: trained on dense rows without names.
    """

    raw: list[dict[str, Any]]
    vectorizer: DictVectorizer
    rows: Any
    defaults: Any
    booster: xgboost.Booster

    @classmethod
    def trained(cls) -> Reader:
        """The reader after training."""
        made = generate(2000, 3)
        raw = [{key: value or 0 for key, value in one.items()} for one in made.applications()]
        vectorizer = DictVectorizer(dtype=np.float32)
        rows = vectorizer.fit_transform(raw)
        booster = trained(rows.toarray(), made.defaults, ROUNDS)
        return cls(raw, vectorizer, rows, made.defaults, booster)

    def store(self, home: Path, name: str) -> None:
        """Keep the model as the course does."""
        with store_of(home):
            kept(name, self.booster, self.vectorizer)

    def store_bundle(self, home: Path, name: str) -> None:
        """Keep the model as a version of the plugin's."""
        encoder = bentoml_ext.Encoder(self.vectorizer.feature_names_)
        with store_of(home):
            bentoml_ext.save_model(name, self.booster, encoder=encoder)
            assert bentoml.models.get(name)

    def write(self, folder: Path) -> None:
        """Write the files that the pages name."""
        names = list(self.vectorizer.feature_names_)
        dense = self.rows.toarray()
        self.booster.save_model(folder / "model.ubj")
        onnx.save(to_onnx(self.booster), folder / "model.onnx")
        (folder / "features.json").write_text(json.dumps(names))
        said = probabilities(self.booster, dense[:CHECKED])
        checked = pd.DataFrame(self.raw[:CHECKED])
        for name in ("predictions.parquet", "check.parquet"):
            checked.assign(prediction=said).to_parquet(folder / name)

        named = self.booster.copy()
        named.feature_names = names
        named.save_model(folder / "churn.ubj")
        # A sparse row has no zero: to XGBoost it is missing.
        sparse = trained(self.rows, self.defaults, ROUNDS)
        sparse.feature_names = names
        sparse.save_model(folder / "sparse.ubj")
        sparse.feature_names = None
        said = probabilities(sparse, self.rows[:CHECKED])
        checked.assign(prediction=said).to_csv(folder / "check.csv", index=False)

    def write_pipeline(self, folder: Path) -> None:
        """Write a pipeline of scikit-learn, its ONNX file, and rows."""
        frame = pd.DataFrame(self.raw[:CHECKED])[["income", "debt", "home"]]
        steps = [
            ("numbers", StandardScaler(), ["income", "debt"]),
            ("home", OneHotEncoder(), ["home"]),
        ]
        estimator = xgboost.XGBClassifier(n_estimators=5, n_jobs=1)
        pipeline = make_pipeline(ColumnTransformer(steps), estimator)
        pipeline.fit(frame, self.defaults[:CHECKED])
        onnx.save(pipeline_to_onnx(pipeline, frame), folder / "pipeline.onnx")
        skops.io.dump(pipeline, folder / "pipeline.skops")
        frame.to_parquet(folder / "rows.parquet")
